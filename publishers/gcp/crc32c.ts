/** CRC-32C (Castagnoli), as Cloud Storage has it of every object. Eight tables: eight bytes at a step. */
const POLYNOMIAL = 0x82f63b78;
const TABLES = tables();

export class Crc32c {
  #state = 0xffffffff;

  update(data: Uint8Array): this {
    const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES;
    let crc = this.#state;
    const whole = data.length - (data.length % 8);
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    for (let at = 0; at < whole; at += 8) {
      const low = crc ^ view.getUint32(at, true);
      const high = view.getUint32(at + 4, true);
      crc =
        entry(t7, low & 0xff) ^
        entry(t6, (low >>> 8) & 0xff) ^
        entry(t5, (low >>> 16) & 0xff) ^
        entry(t4, low >>> 24) ^
        entry(t3, high & 0xff) ^
        entry(t2, (high >>> 8) & 0xff) ^
        entry(t1, (high >>> 16) & 0xff) ^
        entry(t0, high >>> 24);
    }
    for (let at = whole; at < data.length; at += 1) crc = entry(t0, (crc ^ entry(data, at)) & 0xff) ^ (crc >>> 8);
    this.#state = crc;
    return this;
  }

  /** As objects carry it: base64, highest byte first. */
  base64(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE((this.#state ^ 0xffffffff) >>> 0);
    return bytes.toString("base64");
  }
}

function entry(table: Uint32Array | Uint8Array, index: number): number {
  return table[index] as number;
}

type Tables = readonly [
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
  Uint32Array,
];

function tables(): Tables {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    return crc;
  });
  const all = [first];
  while (all.length < 8) {
    const former = all.at(-1) ?? first;
    all.push(former.map((crc) => entry(first, crc & 0xff) ^ (crc >>> 8)));
  }
  return all as unknown as Tables;
}

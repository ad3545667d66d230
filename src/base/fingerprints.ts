/**
 * Fingerprints of the keys that sign a Fedora release and its CHECKSUM files, one key per release. Each is the
 * fingerprint computed from the key text in `keys/`, and the same in Fedora's keyring as published at
 * https://fedoraproject.org/fedora.gpg and on https://fedoraproject.org/security/.
 */
export const FEDORA_FINGERPRINTS: ReadonlyMap<string, string> = new Map([
  ["41", "466CF2D8B60BC3057AA9453ED0622462E99D6AD1"],
  ["42", "B0F4950458F69E1150C6C5EDC8AC4916105EF944"],
  ["43", "C6E7F081CF80E13146676E88829B606631645531"],
  ["44", "36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6"],
  ["45", "4F50A6114CD5C6976A7F1179655A4B02F577861E"],
]);

/** "UEC Image Automatic Signing Key", which signs the checksum files of all of Ubuntu's cloud images. */
export const UBUNTU_FINGERPRINT = "D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81";

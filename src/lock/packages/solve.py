"""Asks dnf 4 what it would install into nothing. Reads one request and writes one answer, both JSON: see dnf-solver.ts."""

import glob
import json
import os
import sys
import xml.etree.ElementTree as ElementTree

import dnf
import dnf.callback
import hawkey

METADATA = "{http://linux.duke.edu/metadata/repo}"


class TrustGivenKeys(dnf.callback.KeyImport):
    """The keys of a repository are files that we wrote for it: nobody has to be asked."""

    def _confirm(self, *_):
        return True


class Failed(Exception):
    """What went wrong, as the answer has it."""

    def __init__(self, **answer):
        super().__init__()
        self.answer = answer


def open_base(request):
    conf = dnf.conf.Conf()
    folder = request["folder"]
    conf.cachedir = os.path.join(folder, "cache")
    conf.persistdir = os.path.join(folder, "state")
    conf.logdir = folder
    conf.installroot = os.path.join(folder, "root")
    conf.reposdir = []
    conf.retries = 3
    conf.best = True
    conf.install_weak_deps = request["recommends"]
    conf.module_platform_id = request["modulePlatform"]
    conf.substitutions.update(request["variables"])
    base = dnf.Base(conf)
    for each in request["repositories"]:
        repo = dnf.repo.Repo(each["name"], conf)
        repo.baseurl = [each["url"]]
        repo.repo_gpgcheck = each["signedIndex"]
        repo.gpgkey = each["keys"]
        # The answers of one run belong together.
        repo.metadata_expire = 6 * 3600
        repo._set_key_import(TrustGivenKeys())
        repo.enable()
        base.repos.add(repo)
        load(repo)
    return base


def load(repo):
    try:
        repo.load()
    except dnf.exceptions.RepoError as error:
        text = str(error)
        kind = "download"
        if "GPG" in text or "signature" in text:
            kind = "signature"
        elif "hecksum" in text:
            kind = "digest"
        raise Failed(error=kind, repository=repo.id, detail=text) from error


def solve(base, request):
    base.fill_sack(load_system_repo=False)
    for nevra in request["earlier"]:
        base.install(nevra)
    for spec in request["specs"]:
        try:
            base.install(spec["spec"])
        except dnf.exceptions.MarkingError as error:
            raise Failed(error="missing", versions=versions(base, spec["name"]), **spec) from error
    try:
        base.resolve()
    except dnf.exceptions.DepsolveError as error:
        raise Failed(error="unsolvable", detail=str(error)) from error
    if base.transaction is None:
        return []
    return [describe(package) for package in base.transaction.install_set]


def versions(base, name):
    found = sorted(base.sack.query().filter(name=name), reverse=True)
    return list(dict.fromkeys(package.evr for package in found))


def describe(package):
    kind, value = package.chksum
    return {
        "name": package.name,
        "version": f"{package.epoch}:{package.version}-{package.release}",
        "arch": package.arch,
        "sha256": value.hex() if kind == hawkey.CHKSUM_SHA256 else None,
        "bytes": package.downloadsize,
        "repository": package.reponame,
        "location": package.location,
        "base": package.baseurl,
    }


def indexes(base, request):
    files = []
    for each in request["repositories"]:
        repo = base.repos[each["name"]]
        names = ["repodata/repomd.xml"] + (["repodata/repomd.xml.asc"] if each["signedIndex"] else [])
        (index,) = glob.glob(os.path.join(glob.escape(repo._repo.getCachedir()), "repodata", "repomd.xml"))
        for data in ElementTree.parse(index).getroot().iter(METADATA + "data"):
            # What dnf makes itself of the others, and change logs, which it reads only to show them.
            if not data.get("type").endswith("_db") and not data.get("type").startswith("other"):
                names.append(data.find(METADATA + "location").get("href"))
        files += [{"repository": each["name"], "location": name} for name in names]
    return files


def main():
    request = json.load(sys.stdin)
    try:
        base = open_base(request)
        if request["question"] == "indexes":
            answer = {"files": indexes(base, request)}
        else:
            answer = {"packages": solve(base, request)}
    except Failed as failed:
        answer = failed.answer
    json.dump(answer, sys.stdout)


main()

#!/bin/bash
# Builds what there is to install for one architecture: the static program, its man page
# and completions, deb, rpm and apk, and a tarball.
#
#   packaging/build.sh amd64|arm64 OUT          (OUT is made; its folder "stage" is for work)
#
# The same commit gives the same bytes, anywhere: every time in it is the commit's
# (SOURCE_DATE_EPOCH says another), and nothing of the machine is in it.
set -euo pipefail

[ $# = 2 ] || { echo "usage: build.sh amd64|arm64 OUT" >&2; exit 1; }
case $1 in amd64 | arm64) ;; *) echo "build.sh: $1 is not amd64 or arm64" >&2; exit 1 ;; esac
export ARCH=$1
mkdir -p "$2"
out=$(realpath "$2")
cd "$(dirname "$0")/.."
here=$PWD
export PATH="$PATH:/usr/local/go/bin:$here/build/bin" LC_ALL=C TZ=UTC
umask 022
git() { command git -c safe.directory="$here" "$@"; }

# --- versions: a tag's, or one that sorts behind the last tag and by the commit's time
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
commit=$(git rev-parse HEAD)
described=$(git describe --tags --always --dirty --abbrev=9) # git's own length depends on the clone
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || echo v0.0.0)
dirty=
[ -z "$(git status --porcelain)" ] || dirty=.dirty
if [ "$described" = "$tag" ]; then
    version=${tag#v} apk=${tag#v}
else
    time=$(date -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)
    version=${tag#v}+git$time.${commit:0:9}$dirty
    apk=${tag#v}_git$time
fi
# A candidate comes before what it is a candidate for: 1.0.0-rc1.
version=${version/-/\~} apk=${apk/-/_}

# --- the program
stage=$out/stage/$ARCH
rm -rf "$stage"
mkdir -p "$stage"
export CGO_ENABLED=0 GOFLAGS='' GOOS=linux
ld="-s -w -X main.version=${described#v} -X main.commit=$commit -X main.date=$(date -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
GOARCH=$ARCH GOAMD64=v1 GOARM64=v8.0 go build -trimpath -buildvcs=false -ldflags "$ld" -o "$stage/usr/bin/migimg" ./cmd/migimg
# What is generated is asked of a program that runs here.
native=$stage/usr/bin/migimg
if [ "$(go env GOHOSTARCH)" != "$ARCH" ]; then
    native=$out/stage/native
    GOARCH=$(go env GOHOSTARCH) go build -trimpath -buildvcs=false -ldflags "$ld" -o "$native" ./cmd/migimg
fi

# --- beside it
share=$stage/usr/share
mkdir -p "$share"/{man/man8,bash-completion/completions,fish/vendor_completions.d,doc/migimg} "$stage"/{zsh,debian,systemd,scripts}
"$native" generate man | gzip -9n >"$share/man/man8/migimg.8.gz"
ln -s migimg.8.gz "$share/man/man8/mount.migimg.8.gz"
"$native" generate bash >"$share/bash-completion/completions/migimg"
"$native" generate fish >"$share/fish/vendor_completions.d/migimg.fish"
"$native" generate zsh >"$stage/zsh/_migimg"
cp README.md "$share/doc/migimg/"
git ls-files -z docs | xargs -0 cp --parents -t "$share/doc/migimg/"
cp -r packaging/systemd/examples "$share/doc/migimg/"
gzip -9nc CHANGELOG.md >"$share/doc/migimg/CHANGELOG.md.gz"
cp LICENSE "$stage/"
cp packaging/systemd/* "$stage/systemd/" 2>/dev/null || true # without its folder
cp packaging/scripts/* "$stage/scripts/"
cp packaging/copyright packaging/lintian-overrides "$stage/debian/"
gzip -9n >"$stage/debian/changelog.gz" <<CHANGELOG
migimg ($version) unstable; urgency=medium

  * Commit $commit.
  * What is new: /usr/share/doc/migimg/CHANGELOG.md.gz

 -- migimg maintainers <maintainers@migimg.invalid>  $(date -R -d "@$SOURCE_DATE_EPOCH")
CHANGELOG
find "$stage" -type f -exec chmod u=rw,go=r {} +
chmod 755 "$stage/usr/bin/migimg"
find "$share/doc" -name '*.sh' -exec chmod 755 {} +
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

# --- packages
package() { # package KIND VERSION RELEASE
    (cd "$stage" && PACKAGE_VERSION=$2 PACKAGE_RELEASE=$3 nfpm package -f "$here/packaging/nfpm.yaml" -p "$1" -t "$out/" >/dev/null)
}
rm -f "$out"/*"$ARCH"* "$out"/*"$(case $ARCH in amd64) echo x86_64 ;; arm64) echo aarch64 ;; esac)"*
package deb "$version" ''
package rpm "$version" 1
package apk "$apk" 0

# --- a tarball, to be unpacked below /usr/local
name=migimg-$version-linux-$ARCH
tree=$out/stage/$name
rm -rf "$tree"
mkdir -p "$tree"/{bin,share/zsh/site-functions,lib/systemd/system,etc/migimg}
cp "$stage/usr/bin/migimg" "$tree/bin/"
cp -r "$share/man" "$share/bash-completion" "$share/fish" "$share/doc" "$tree/share/"
cp "$stage/zsh/_migimg" "$tree/share/zsh/site-functions/"
cp LICENSE "$tree/share/doc/migimg/"
sed 's,/usr/bin/migimg,/usr/local/bin/migimg,' packaging/systemd/migimg@.service >"$tree/lib/systemd/system/migimg@.service"
cp packaging/systemd/migimg.conf "$tree/etc/migimg/"
tar -C "$out/stage" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu -cf - "$name" | gzip -9n >"$out/$name.tar.gz"

#!/usr/bin/env bash
# Makes the .deb files: systemd/deb/build.sh FOLDER-OF-PROGRAMS OUTPUT-FOLDER
#
# A folder here is a package: `control` what it is, `files` what lies where, `units` what is started. Manual pages and
# completions are the programs' own words, asked of them here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$(cd "$1" && pwd)
mkdir -p "$2"
output=$(cd "$2" && pwd)
# A release tag may be newer than Cargo.toml's version: DEB_VERSION names what the package calls itself.
version=${DEB_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)-1}
maintainer="Tweenfarm maintainers <maintainers@tweenfarm.invalid>"
architecture=$(dpkg --print-architecture)
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}

maintainer_scripts() { # folder of the package's DEBIAN, its units
    local control=$1 units=$2
    cat > "$control/postinst" <<SCRIPT
#!/bin/sh
set -e
if [ "\$1" = configure ]; then
    systemd-sysusers || true
    systemd-tmpfiles --create || true
    for unit in $units; do
        # Whoever disabled a unit keeps it disabled over upgrades.
        if deb-systemd-helper --quiet was-enabled "\$unit"; then
            deb-systemd-helper enable "\$unit" >/dev/null || true
        fi
    done
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        if [ -z "\$2" ]; then
            deb-systemd-invoke start $units || true
        else
            # What runs goes on in its new version. Agents finish what they hold first, and apt does not wait for that.
            systemctl --no-block try-restart $units || true
        fi
    fi
fi
SCRIPT
    cat > "$control/prerm" <<SCRIPT
#!/bin/sh
set -e
if [ "\$1" = remove ] && [ -d /run/systemd/system ]; then
    deb-systemd-invoke stop $units || true
fi
SCRIPT
    cat > "$control/postrm" <<SCRIPT
#!/bin/sh
set -e
# What is in /var/lib stays, after a purge, too: accounts and ledgers are not a package's to delete.
if [ "\$1" = purge ]; then
    deb-systemd-helper purge $units >/dev/null || true
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
SCRIPT
    [ -n "$units" ] || rm "$control/postinst" "$control/prerm" "$control/postrm"
    [ -z "$units" ] || chmod 0755 "$control/postinst" "$control/prerm" "$control/postrm"
}

for package in tweenfarmd tweenfarm-agent tweenfarm-watch tweenfarm; do
    stage=$(mktemp -d)
    trap 'rm -rf "$stage"' EXIT
    install -d -m 0755 "$stage/DEBIAN" "$stage/usr/share/doc/$package"
    binaries=()
    while read -r what where mode; do
        case $what in
            '' | '#'*) continue ;;
            bin/*) source=$programs/${what#bin/} ;;
            *) source=$root/$what ;;
        esac
        where=${where//@TRIPLET@/$triplet}
        install -D -m "$mode" "$source" "$stage$where"
        case $what in
            bin/*)
                strip --strip-unneeded "$stage$where"
                binaries+=("$stage$where")
                ;;
        esac
        case $where in /etc/*) echo "$where" >> "$stage/DEBIAN/conffiles" ;; esac
    done < "$here/$package/files"

    gzip -9nc "$root/CHANGELOG.md" > "$stage/usr/share/doc/$package/NEWS.md.gz"
    printf '%s (%s) stable; urgency=medium\n\n  * See NEWS.md.gz.\n\n -- %s  %s\n' "tweenfarm" "$version" "$maintainer" \
        "$(date -R --utc -d "@$SOURCE_DATE_EPOCH")" | gzip -9nc > "$stage/usr/share/doc/$package/changelog.Debian.gz"
    {
        echo "Tweenfarm, licensed under either of Apache-2.0 and MIT, at your choice."
        echo "Apache-2.0: /usr/share/common-licenses/Apache-2.0. MIT:"
        echo
        cat "$root/LICENSE-MIT"
    } > "$stage/usr/share/doc/$package/copyright"
    chmod 0644 "$stage/usr/share/doc/$package"/*

    # Programs with commands are asked by commands, daemons by flags; every package is named after its program.
    case $package in
        tweenfarm | tweenfarm-agent) section=1 man=(man) completions=(completions) ;;
        *) section=8 man=(--man) completions=(--completions) ;;
    esac
    share=$stage/usr/share
    install -d "$share/man/man$section" "$share/bash-completion/completions" "$share/zsh/vendor-completions" \
        "$share/fish/vendor_completions.d"
    "$programs/$package" "${man[@]}" "$share/man/man$section" >/dev/null
    gzip -9n "$share/man/man$section"/*
    "$programs/$package" "${completions[@]}" bash > "$share/bash-completion/completions/$package"
    "$programs/$package" "${completions[@]}" zsh > "$share/zsh/vendor-completions/_$package"
    "$programs/$package" "${completions[@]}" fish > "$share/fish/vendor_completions.d/$package.fish"

    # dpkg-shlibdeps reads a source package's control file beside it.
    mkdir -p "$stage.source/debian"
    printf 'Source: tweenfarm\n\nPackage: %s\nArchitecture: any\n' "$package" > "$stage.source/debian/control"
    libraries=$(cd "$stage.source" && dpkg-shlibdeps --ignore-missing-info -O "${binaries[@]/#/-e}" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
    rm -rf "$stage.source"
    size=$(du -sk --exclude=DEBIAN "$stage" | cut -f1)
    {
        sed "s/\${shlibs:Depends}/$libraries/" "$here/$package/control" | sed '/^Description:/,$d'
        printf 'Version: %s\nArchitecture: %s\nInstalled-Size: %s\n' "$version" "$architecture" "$size"
        printf 'Maintainer: %s\nPriority: optional\n' "$maintainer"
        sed -n '/^Description:/,$p' "$here/$package/control"
    } > "$stage/DEBIAN/control"
    maintainer_scripts "$stage/DEBIAN" "$(cat "$here/$package/units")"
    chmod 0755 "$stage"
    find "$stage" -newermt "@$SOURCE_DATE_EPOCH" -print0 | xargs -0r touch --no-dereference --date="@$SOURCE_DATE_EPOCH"
    # One version of each: people and container files name packages as ./tweenfarmd_*.deb.
    rm -f "$output/${package}"_*.deb
    dpkg-deb --root-owner-group --build "$stage" "$output/${package}_${version}_$architecture.deb"
    rm -rf "$stage"
done

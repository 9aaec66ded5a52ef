#!/bin/bash
# Measures migimg against cp, qemu-img and xmount, in paired rounds on one loop
# device over one disk: what `make bench` runs. Prints Markdown.
#
#   testdata/bench.sh         ROUNDS=5 DEST=/dev/shm BENCH=copy,plan
#
# The disk (disks/used.sh) is read once before, so it is warm in the page cache:
# what is measured is the programs, not the disk below. migimg reads the loop
# device with O_DIRECT, which the loop device serves from its file's page cache.
#
# DEST is where copies are written (about 4.5 GiB; a tmpfs shows the programs, a
# disk shows itself). BENCH=copy measures copying, BENCH=plan the time and memory
# of a mount at 4 GiB, 1 TiB and 16 TiB. DISK= another raw image of a disk. SLOW=0
# leaves out xmount and qemu-img's streamOptimized, which take most of the time.
#
# CPU is user + system of the reader and of the daemon it reads from, together;
# the loop device's kernel threads count for nobody. Memory is the peak of both
# together. The machine is never quiet: trust minima and ratios within a round.
# Needs root (it starts itself again through sudo), build/migimg and the programs
# of `testdata/install.sh bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
    exec sudo env "PATH=$PATH" ${ROUNDS:+"ROUNDS=$ROUNDS"} ${DEST:+"DEST=$DEST"} ${BENCH:+"BENCH=$BENCH"} \
        ${DISK:+"DISK=$DISK"} ${SLOW:+"SLOW=$SLOW"} "$0" "$@"
fi
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" LC_ALL=C
rounds=${ROUNDS:-5} dest=${DEST:-/dev/shm} bench=,${BENCH:-copy,plan},
migimg=$PWD/build/migimg
disk=${DISK:-build/disks/used.img}
[ -x "$migimg" ] || { echo "bench.sh: no build/migimg: run make build" >&2; exit 1; }
gnutime=$(type -P time) || { echo "bench.sh: no time program: run testdata/install.sh bench" >&2; exit 1; }
say() { echo "bench.sh: $*" >&2; }

work=$(mktemp -d "$dest/migimg-bench.XXXXXX")
mnt=$work/mnt
xmnt=$work/xmount
results=$work/results
mkdir "$mnt" "$xmnt"
loops=()
cleanup() {
    local l
    ! mountpoint -q "$mnt" || "$migimg" umount "$mnt" || umount -l "$mnt" || true
    ! mountpoint -q "$xmnt" || umount "$xmnt" || umount -l "$xmnt" || true
    for l in ${loops[@]+"${loops[@]}"}; do losetup -d "$l" 2>/dev/null || true; done
    rm -rf --one-file-system "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

attach() { # attach IMAGE: sets $dev
    dev=$(losetup --find --show --read-only "$1")
    loops+=("$dev")
}
daemon() { # daemon PROGRAM MOUNTPOINT: the id of the process that serves it
    local p
    for p in /proc/[0-9]*; do
        [ "$(readlink "$p/exe" 2>/dev/null)" = "$1" ] || continue
        if tr '\0' '\n' <"$p/cmdline" 2>/dev/null | grep -qxF -- "$2"; then
            echo "${p#/proc/}"
            return
        fi
    done
    say "no process of $1 serves $2"
    return 1
}
ticks=$(getconf CLK_TCK)
cpu_of() { # cpu_of PID: seconds, its children's included (proc(5): stat, fields 14 to 17)
    [ "$1" != 0 ] || { echo 0; return; }
    # The name in field 2 may hold spaces: count from behind its parenthesis.
    sed 's/.*) //' "/proc/$1/stat" | awk -v t="$ticks" '{print ($12 + $13 + $14 + $15) / t}'
}
memory_of() { # memory_of PID FIELD: KiB
    [ "$1" != 0 ] || { echo 0; return; }
    awk -v f="$2:" '$1 == f {print $2}' "/proc/$1/status"
}
now() { date +%s.%N; }

# measure NAME PID COMMAND...: one line of results; the command writes $work/out.
measure() {
    local name=$1 pid=$2 before after size blocks
    shift 2
    rm -f "$work/out"
    # Forget the daemon's old peak (proc(5): clear_refs, 5).
    [ "$pid" = 0 ] || echo 5 >"/proc/$pid/clear_refs"
    before=$(cpu_of "$pid")
    "$gnutime" -o "$work/time" -f '%e %U %S %M' "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; say "failed: $*"; exit 1; }
    after=$(cpu_of "$pid")
    size=$(stat -c %s "$work/out")
    blocks=$(stat -c %b "$work/out")
    awk -v name="$name" -v round="$round" -v b="$before" -v a="$after" -v hwm="$(memory_of "$pid" VmHWM)" \
        -v size="$size" -v alloc=$((blocks * 512)) \
        '{print round "\t" name "\t" $1 "\t" $2 + $3 + a - b "\t" ($4 + hwm) / 1024 "\t" size "\t" alloc}' "$work/time" >>"$results"
    rm -f "$work/out"
}
xmounted() { # xmounted NAME TYPE EXTENSION: mount, copy, unmount
    local pid file
    xmount --in raw "$dev" --out "$2" "$xmnt" >/dev/null
    pid=$(daemon "$(type -P xmount)" "$xmnt")
    file=$xmnt/${dev##*/}.$3
    measure "$1" "$pid" cp --sparse=never "$file" "$work/out"
    umount "$xmnt" 2>/dev/null || { sleep 0.5; umount "$xmnt"; }
}

# A job a name; the first is what the others are compared with.
jobs=(cp
    "migimg qcow2" "migimg vhd" "migimg vmdk" "migimg raw" "migimg raw, holes skipped"
    "qemu-img qcow2" "qemu-img vpc" "qemu-img vmdk" "qemu-img raw")
if [ "${SLOW:-1}" = 1 ]; then
    jobs+=("qemu-img vmdk streamOptimized")
    ! type -P xmount >/dev/null || jobs+=("xmount vhd" "xmount raw")
fi
job() {
    case $1 in
    cp) measure "$1" 0 cp --sparse=never "$dev" "$work/out" ;;
    "migimg raw, holes skipped") measure "$1" "$pid" cp --sparse=auto "$mnt/disk.raw" "$work/out" ;;
    migimg*) measure "$1" "$pid" cp --sparse=never "$mnt/disk.${1#migimg }" "$work/out" ;;
    "qemu-img vmdk streamOptimized")
        # It compresses, for a minute or two: once is enough to see.
        [ "$round" = 1 ] || return 0
        measure "$1" 0 qemu-img convert -T none -f raw -O vmdk -o subformat=streamOptimized "$dev" "$work/out" ;;
    qemu-img*) measure "$1" 0 qemu-img convert -T none -f raw -O "${1#qemu-img }" "$dev" "$work/out" ;;
    "xmount vhd") xmounted "$1" vhd vhd ;;
    "xmount raw") xmounted "$1" raw dd ;;
    esac
}

report() { # the table, from lines of: round, job, wall, CPU, MiB, size, allocated
    awk -F'\t' '
        function sorted(list, a,   n, i, j, t) { # numbers in list, ascending, into a
            n = split(list, a, " ")
            for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] + 0 > a[j] + 0; j--) {t = a[j]; a[j] = a[j - 1]; a[j - 1] = t}
            return n
        }
        function least(list,   a) {sorted(list, a); return a[1]}
        function median(list,   a, n) {n = sorted(list, a); return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2}
        {
            if (!($2 in wall)) name[++jobs] = $2
            wall[$2] = wall[$2] " " $3; cpu[$2] = cpu[$2] " " $4; mem[$2] = mem[$2] " " $5
            size[$2] = $6; alloc[$2] = $7
            w[$1, $2] = $3; c[$1, $2] = $4
            if ($1 > rounds) rounds = $1
        }
        END {
            print "| job | wall s, min / median | CPU s, min / median | peak MiB | MiB written | wall to cp, min / median | CPU to cp, min / median | a carried byte: wall, CPU (median) |"
            print "|---|---|---|---|---|---|---|---|"
            for (i = 1; i <= jobs; i++) {
                n = name[i]; rw = rc = ""
                for (r = 1; r <= rounds; r++) if ((r, n) in w) {
                    rw = rw " " w[r, n] / w[r, "cp"]; rc = rc " " c[r, n] / c[r, "cp"]
                }
                # cp of the whole device, scaled to what this job wrote.
                share = alloc[n] / size["cp"]
                printf "| %s | %.2f / %.2f | %.2f / %.2f | %.0f | %.0f | %.2f / %.2f | %.2f / %.2f | %.2f, %.2f |\n", n, least(wall[n]), median(wall[n]), least(cpu[n]), median(cpu[n]), median(mem[n]), alloc[n] / 1048576, least(rw), median(rw), least(rc), median(rc), median(rw) / share, median(rc) / share
            }
            print ""
            print "| wanted | limit | measured (median of the rounds) | |"
            print "|---|---|---|---|"
            n = "migimg qcow2"; rw = rc = ""
            for (r = 1; r <= rounds; r++) {
                rw = rw " " w[r, n] / w[r, "cp"]; rc = rc " " c[r, n] / c[r, "cp"]
            }
            share = alloc[n] / size["cp"]
            want("disk.qcow2, wall a carried byte to cp", 1.25, median(rw) / share)
            want("disk.qcow2, CPU a carried byte to cp", 1.8, median(rc) / share)
            split("qcow2 vhd vmdk raw", ours, " "); split("qcow2 vpc vmdk raw", theirs, " ")
            for (i = 1; i <= 4; i++) {
                rw = ""
                for (r = 1; r <= rounds; r++) rw = rw " " w[r, "migimg " (ours[i] == "raw" ? "raw, holes skipped" : ours[i])] / w[r, "qemu-img " theirs[i]]
                want("cp disk." ours[i] ", wall to qemu-img -O " theirs[i], 1, median(rw))
            }
        }
        function want(what, limit, got) {printf "| %s | %.2f | %.2f | %s |\n", what, limit, got, got <= limit ? "yes" : "NO"}
    ' "$results"
}

copying() {
    local round i n need free
    [ -n "${DISK:-}" ] || testdata/disks/used.sh "$disk"
    need=$(($(stat -c %s "$disk") * 11 / 10240))
    free=$(df --output=avail -k "$dest" | tail -n 1)
    [ "$free" -ge "$need" ] || { say "$dest has $((free / 1024)) MiB free, a copy takes $((need / 1024)): give another with DEST="; exit 1; }
    attach "$disk"
    "$migimg" mount "$dev" "$mnt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
    pid=$(daemon "$migimg" "$mnt")
    n=${#jobs[@]}
    # Memory that the machine has not used lately is slow at first, on a virtual one
    # above all: a copy that nobody counts takes it.
    cp --sparse=never "$dev" "$work/out"
    for round in $(seq "$rounds"); do
        cat "$dev" >/dev/null # warm
        for ((i = 0; i < n; i++)); do
            say "round $round of $rounds: ${jobs[i]}"
            job "${jobs[i]}"
        done
    done
    "$migimg" umount "$mnt"
    echo "## Copying $(basename "$disk") ($(($(stat -c %s "$disk") >> 20)) MiB), $rounds rounds, to $(stat -f -c %T "$dest")"
    echo
    report
}

planning() {
    local size file pid start end i seconds hwm rss files
    echo "## Mounting"
    echo
    echo "| disk | mount s, min / median of 5 | resident MiB after | peak MiB | disk.qcow2 MiB |"
    echo "|---|---|---|---|---|"
    for size in 4G 1T 16T; do
        file=build/disks/sparse-$size.img
        testdata/disks/sparse.sh "$size" "$file"
        attach "$file"
        seconds=()
        for i in 1 2 3 4 5; do
            start=$(now)
            "$migimg" mount "$dev" "$mnt" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
            end=$(now)
            seconds+=("$(awk -v a="$start" -v b="$end" 'BEGIN {printf "%.3f", b - a}')")
            pid=$(daemon "$migimg" "$mnt")
            rss=$(memory_of "$pid" VmRSS)
            hwm=$(memory_of "$pid" VmHWM)
            files=-
            [ ! -e "$mnt/disk.qcow2" ] || files=$(($(stat -c %s "$mnt/disk.qcow2") >> 20))
            "$migimg" umount "$mnt"
        done
        printf '%s\n' "${seconds[@]}" | sort -n | awk -v size="$size" -v rss="$rss" -v hwm="$hwm" -v files="$files" \
            '{s[NR] = $1} END {printf "| ext4 %s | %.3f / %.3f | %.0f | %.0f | %s |\n", size, s[1], s[int((NR + 1) / 2)], rss / 1024, hwm / 1024, files}'
    done
    echo
    echo "Wanted: at most 1 s and 64 MiB at 1 TiB, 5 s and 128 MiB at 16 TiB."
}

echo "$("$migimg" version), Linux $(uname -r), $(nproc) CPUs, $(qemu-img --version | head -n 1)"
echo
[[ $bench != *,copy,* ]] || copying
echo
[[ $bench != *,plan,* ]] || planning

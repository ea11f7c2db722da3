#!/usr/bin/env bash
# The product's images: builds them, loads them into a kind cluster, says how they are called. A tag is the head of the
# image's id, so that what changed has a new name, and what did not is neither built nor loaded twice.
# usage: images.sh build [IMAGE...]     all, or those named: operator, serving, serving-sklearn
#        images.sh load [CLUSTER]       into every node of the cluster (modelmoor) that lacks them; builds what is missing
#        images.sh tags                 print OPERATOR_IMAGE=..., SERVING_IMAGE=..., SERVING_SKLEARN_IMAGE=... of this tree
# Each image is also tagged modelmoor/operator:dev, modelmoor/serving:dev or modelmoor/serving:dev-sklearn.
source "$(dirname "$0")/lib.sh"

all=(operator serving serving-sklearn)

# describe IMAGE: sets its repository, its :dev tag, its build context, the Dockerfile in there, and the target
describe() {
  case "$1" in
    operator) repo=modelmoor/operator dev=dev context=$repository dockerfile=operator/Dockerfile target="" ;;
    serving) repo=modelmoor/serving dev=dev context=$repository/serving-image dockerfile=Dockerfile target=full ;;
    serving-sklearn) repo=modelmoor/serving dev=dev-sklearn context=$repository/serving-image dockerfile=Dockerfile target=sklearn ;;
    *) fail "no image is called $1; there are ${all[*]}" 2 ;;
  esac
  [ -f "$context/$dockerfile" ] || fail "there is no $context/$dockerfile to build $1 from"
}

# inputs: the Dockerfile and the files that it copies out of its context, as Git sees them. They alone are sent to the
# engine and they alone make the tag: a changed test makes no new image.
inputs() (
  cd "$context" || exit
  mapfile -t sources < <(awk 'toupper($1) ~ /^(COPY|ADD)$/ && !/--from=/ { for (i = 2; i < NF; i++) if ($i !~ /^--/) print $i }' "$dockerfile" | sort -u)
  {
    echo "$dockerfile"
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
      git ls-files --cached --others --exclude-standard -- "${sources[@]}"
    else
      find "${sources[@]}" -type f -not -path '*/__pycache__/*'
    fi
  } | sort -u | while read -r file; do if [ -f "$file" ]; then echo "$file"; fi; done
)

# record: the file that keeps the id which these inputs made
record() {
  local digest
  digest=$({ cd "$context" && inputs | tr '\n' '\0' | xargs -0 sha256sum; echo "$target $bases"; } | sha256sum | cut -c1-12)
  echo "$cache/images/$digest"
}

# built: prints the id, where these inputs were built and the engine still holds the result
built() { id=$(cat "$(record)" 2>/dev/null) && docker image inspect "$id" >/dev/null 2>&1; }

build() { # build IMAGE
  local folder file
  describe "$1"
  if ! built; then
    locked "image-$1"
    file=$(record) folder=$cache/tmp/context.$$
    mkdir -p "$folder" "$cache/images"
    trap 'rm -rf "$cache/tmp/context.$$"' EXIT
    inputs | tar -C "$context" -c -T - | tar -C "$folder" -x
    timed "build image $1" docker build --iidfile "$folder.id" -f "$folder/$dockerfile" --build-arg "BASE_IMAGE=$BASE_IMAGE" --build-arg "BUILDER_IMAGE=$BUILDER_IMAGE" ${target:+--target "$target"} "$folder"
    publish "$folder.id" "$file"
    rm -rf "$folder"
    built
  fi
  tag=$repo:$(cut -c8-19 <<<"$id")
  docker tag "$id" "$tag"
  docker tag "$id" "$repo:$dev"
}

# load_into NODE TAG...: one stream with what the node lacks, unpacked on the way in
load_into() {
  local node=$1 held tag missing=()
  held=$(docker exec "$node" ctr -n k8s.io images ls -q)
  for tag in "${@:2}"; do grep -qx "docker.io/$tag" <<<"$held" || missing+=("$tag"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  # shellcheck disable=SC2016  # for the inner shell
  timed "load into $node: ${missing[*]}" bash -euo pipefail -c 'node=$1; shift; docker save "$@" | docker exec -i "$node" ctr -n k8s.io images import --snapshotter overlayfs -' _ "$node" "${missing[@]}"
}

command=${1:-}
shift || true
case "$command" in build | load | tags) ;; -h | --help) usage 0 ;; *) usage 2 ;; esac
"$infra/engine.sh"
bases=$("$infra/base.sh")
eval "$bases"

case "$command" in
  build)
    [ $# -gt 0 ] || set -- "${all[@]}"
    for image in "$@"; do build "$image"; say "image $image: $tag"; done
    ;;
  tags)
    for image in "${all[@]}"; do build "$image"; echo "$(tr a-z- A-Z_ <<<"$image")_IMAGE=$tag"; done
    ;;
  load)
    cluster=${1:-modelmoor} tags=() aliases=()
    for image in "${all[@]}"; do build "$image"; tags+=("$tag") aliases+=("$tag $repo:$dev"); done
    locked "load-$cluster"
    nodes=$(docker ps --filter "label=io.x-k8s.kind.cluster=$cluster" --format '{{.Names}}')
    [ -n "$nodes" ] || fail "no node of a cluster $cluster runs: up.sh $cluster brings it up"
    for node in $nodes; do
      load_into "$node" "${tags[@]}"
      for pair in "${aliases[@]}"; do docker exec "$node" ctr -n k8s.io images tag --force "docker.io/${pair% *}" "docker.io/${pair#* }" >/dev/null; done
    done
    ;;
esac

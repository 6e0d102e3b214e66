package session

import "strings"

// standard are the packages of the standard library that the host library holds. A package that is not here can still
// be imported; then it is linked when the cell that needs it comes.
const standard = `
archive/tar archive/zip bufio bytes cmp compress/bzip2 compress/flate compress/gzip compress/zlib container/heap container/list
container/ring context crypto crypto/hmac crypto/md5 crypto/rand crypto/sha1 crypto/sha256 crypto/sha512 database/sql embed encoding
encoding/base32 encoding/base64 encoding/binary encoding/csv encoding/gob encoding/hex encoding/json encoding/xml errors expvar flag fmt
hash hash/crc32 hash/fnv hash/maphash html html/template image image/color image/color/palette image/draw image/gif image/jpeg
image/png io io/fs iter log log/slog maps math math/big math/bits math/cmplx math/rand math/rand/v2 mime mime/multipart net net/http
net/http/httptest net/netip net/url os os/exec os/signal os/user path path/filepath reflect regexp runtime runtime/debug runtime/metrics
runtime/pprof runtime/trace slices sort strconv strings sync sync/atomic syscall testing testing/fstest testing/iotest text/tabwriter
text/template time unicode unicode/utf16 unicode/utf8 unique unsafe weak`

// StandardPackages are packages of the standard library that cells commonly use.
func StandardPackages() []string { return strings.Fields(standard) }

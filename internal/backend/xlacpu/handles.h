// The handles behind the opaque pointers of the C API, and how errors travel.
#pragma once

#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "pjrt_c_api.h"  // go-xla's copy
#include "xla/layout_util.h"
#include "xla/literal.h"
#include "xla/pjrt/mlir_min.h"  // in stubs/: declares xla::ParseMlirModuleString
#include "xla/pjrt/pjrt_client.h"
#include "xla/pjrt/pjrt_executable.h"
#include "xla/pjrt/plugin/xla_cpu/xla_cpu_pjrt_client.h"
#include "xla/pjrt/proto/compile_options.pb.h"
#include "xla/service/hlo.pb.h"
#include "xla/shape_util.h"

struct PJRT_Error {
  absl::Status status;
};
struct PJRT_Event {
  xla::Future<> future;
};
struct PJRT_DeviceDescription {
  xla::PjRtDevice* device;
};
struct PJRT_Device {
  xla::PjRtDevice* device;
  PJRT_DeviceDescription description;
};

namespace {

// Shared by every handle made from a client, so that a garbage collector may drop them in any order: the client dies
// with the last of them.
struct Session {
  std::unique_ptr<xla::PjRtClient> client;
  std::vector<std::unique_ptr<PJRT_Device>> storage;
  std::vector<PJRT_Device*> all, addressable;
  std::unordered_map<xla::PjRtDevice*, PJRT_Device*> by_device;
  std::string platform_version;
};
using SessionPtr = std::shared_ptr<Session>;

}  // namespace

struct PJRT_Client {
  SessionPtr session;
};
struct PJRT_Buffer {
  SessionPtr session;  // declared first: destroyed last
  std::shared_ptr<xla::PjRtBuffer> buffer;  // shared with the views made by BufferBitcast
};

namespace {
struct Program {
  SessionPtr session;
  std::unique_ptr<xla::PjRtLoadedExecutable> exec;
  std::string name;
  size_t num_outputs = 0;
  bool portable = false;
};
}  // namespace

struct PJRT_LoadedExecutable {
  std::shared_ptr<Program> program;
};
struct PJRT_Executable {
  std::shared_ptr<Program> program;
};

namespace {

PJRT_Error* Fail(absl::Status s) { return s.ok() ? nullptr : new PJRT_Error{std::move(s)}; }

#define SHIM_RETURN_IF_ERROR(expr)                       \
  do {                                                   \
    absl::Status shim_s = (expr);                        \
    if (!shim_s.ok()) return Fail(std::move(shim_s));    \
  } while (0)

#define SHIM_CAT2(a, b) a##b
#define SHIM_CAT(a, b) SHIM_CAT2(a, b)
#define SHIM_ASSIGN(lhs, expr)                                     \
  auto SHIM_CAT(shim_or_, __LINE__) = (expr);                      \
  if (!SHIM_CAT(shim_or_, __LINE__).ok())                          \
    return Fail(SHIM_CAT(shim_or_, __LINE__).status());            \
  lhs = std::move(SHIM_CAT(shim_or_, __LINE__)).value()

void ErrorDestroy(PJRT_Error_Destroy_Args* a) { delete a->error; }

void ErrorMessage(PJRT_Error_Message_Args* a) {
  absl::string_view m = a->error->status.message();
  a->message = m.data();
  a->message_size = m.size();
}

PJRT_Error* ErrorGetCode(PJRT_Error_GetCode_Args* a) {
  a->code = static_cast<PJRT_Error_Code>(a->error->status.code());  // both number like absl::StatusCode
  return nullptr;
}

}  // namespace

// A PJRT C API plugin for XLA:CPU, on top of the C++ xla::PjRtClient that the libraries of the tensorflow-cpu wheel
// export. It has the functions that github.com/gomlx/go-xla calls; every other entry of the table answers UNIMPLEMENTED.
//
// Facts that the build depends on:
//  - pjrt_c_api.h is go-xla's own copy, so the structs have exactly the layout that the caller uses.
//  - NDEBUG must be defined, as it was for the libraries: without it XLA's inline classes have other members, and the
//    first copy to a buffer ends in a segmentation fault.
//  - The wheel has MLIR's headers but not LLVM's, so stubs/ mirrors the three MLIR handle classes that cross the border.
//    That ties the plugin to this version of the wheel.
//  - The plugin is linked with -z nodelete: go-xla closes and reopens it, and the libraries below can't be unloaded.
//  - With g++, -fno-gnu-unique: unique symbols would be shared with another XLA in the process.
//
// One translation unit on purpose: nearly all of the compile time is reading XLA's headers.
#ifndef NDEBUG
#error "define NDEBUG: the libraries were built with it, and their inline classes have another layout without"
#endif

#include "handles.h"

#include "client.h"
#include "compile.h"
#include "execute.h"
#include "buffer.h"

namespace {

// Fills every slot of the table that has no implementation.
PJRT_Error* Unimplemented(void*) {
  return Fail(absl::UnimplementedError("this PJRT function is not implemented by Fovea's XLA:CPU plugin"));
}

const PJRT_Api* MakeApi() {
  static PJRT_Api api;
  memset(&api, 0, sizeof(api));
  // Every member after the version is a function pointer.
  static_assert((sizeof(PJRT_Api) - offsetof(PJRT_Api, PJRT_Error_Destroy)) % sizeof(void*) == 0);
  for (size_t at = offsetof(PJRT_Api, PJRT_Error_Destroy); at < sizeof(PJRT_Api); at += sizeof(void*)) {
    auto fn = &Unimplemented;
    memcpy(reinterpret_cast<char*>(&api) + at, &fn, sizeof(fn));
  }
  api.struct_size = PJRT_Api_STRUCT_SIZE;
  api.pjrt_api_version.struct_size = PJRT_Api_Version_STRUCT_SIZE;
  api.pjrt_api_version.major_version = PJRT_API_MAJOR;
  api.pjrt_api_version.minor_version = PJRT_API_MINOR;

  api.PJRT_Error_Destroy = ErrorDestroy;
  api.PJRT_Error_Message = ErrorMessage;
  api.PJRT_Error_GetCode = ErrorGetCode;
  api.PJRT_Plugin_Initialize = PluginInitialize;
  api.PJRT_Plugin_Attributes = PluginAttributes;
  api.PJRT_Event_Destroy = EventDestroy;
  api.PJRT_Event_IsReady = EventIsReady;
  api.PJRT_Event_Error = EventError;
  api.PJRT_Event_Await = EventAwait;
  api.PJRT_Event_OnReady = EventOnReady;
  api.PJRT_Client_Create = ClientCreate;
  api.PJRT_Client_Destroy = ClientDestroy;
  api.PJRT_Client_PlatformName = ClientPlatformName;
  api.PJRT_Client_PlatformVersion = ClientPlatformVersion;
  api.PJRT_Client_ProcessIndex = ClientProcessIndex;
  api.PJRT_Client_Devices = ClientDevices;
  api.PJRT_Client_AddressableDevices = ClientAddressableDevices;
  api.PJRT_Client_LookupDevice = ClientLookupDevice;
  api.PJRT_Client_LookupAddressableDevice = ClientLookupAddressableDevice;
  api.PJRT_Client_DefaultDeviceAssignment = ClientDefaultDeviceAssignment;
  api.PJRT_Client_Compile = ClientCompile;
  api.PJRT_Client_BufferFromHostBuffer = BufferFromHost;
  api.PJRT_Client_CreateViewOfDeviceBuffer = CreateView;
  api.PJRT_Device_GetDescription = DeviceGetDescription;
  api.PJRT_Device_IsAddressable = DeviceIsAddressable;
  api.PJRT_Device_LocalHardwareId = DeviceLocalHardwareId;
  api.PJRT_DeviceDescription_Id = DescriptionId;
  api.PJRT_DeviceDescription_ProcessIndex = DescriptionProcessIndex;
  api.PJRT_DeviceDescription_Kind = DescriptionKind;
  api.PJRT_DeviceDescription_DebugString = DescriptionDebugString;
  api.PJRT_DeviceDescription_ToString = DescriptionToString;
  api.PJRT_LoadedExecutable_Destroy = LoadedDestroy;
  api.PJRT_LoadedExecutable_GetExecutable = LoadedGetExecutable;
  api.PJRT_LoadedExecutable_Execute = LoadedExecute;
  api.PJRT_Executable_Destroy = ExecutableDestroy;
  api.PJRT_Executable_Name = ExecutableName;
  api.PJRT_Executable_NumOutputs = ExecutableNumOutputs;
  api.PJRT_Executable_NumReplicas = ExecutableNumReplicas;
  api.PJRT_Executable_NumPartitions = ExecutableNumPartitions;
  api.PJRT_Executable_GetCompiledMemoryStats = ExecutableMemoryStats;
  api.PJRT_Buffer_Destroy = BufferDestroy;
  api.PJRT_Buffer_ElementType = BufferElementType;
  api.PJRT_Buffer_Dimensions = BufferDimensions;
  api.PJRT_Buffer_Device = BufferDevice;
  api.PJRT_Buffer_Delete = BufferDelete;
  api.PJRT_Buffer_IsDeleted = BufferIsDeleted;
  api.PJRT_Buffer_IsOnCpu = BufferIsOnCpu;
  api.PJRT_Buffer_ReadyEvent = BufferReadyEvent;
  api.PJRT_Buffer_OnDeviceSizeInBytes = BufferOnDeviceSize;
  api.PJRT_Buffer_UnsafePointer = BufferUnsafePointer;
  api.PJRT_Buffer_ToHostBuffer = BufferToHost;
  api.PJRT_Buffer_CopyToDevice = BufferCopyToDevice;
  api.PJRT_Buffer_Bitcast = BufferBitcast;
  return &api;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const PJRT_Api* GetPjrtApi() {
  static const PJRT_Api* api = MakeApi();
  return api;
}

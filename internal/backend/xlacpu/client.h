// The plugin itself, events, the client and its devices.
#pragma once

namespace {

PJRT_Error* PluginInitialize(PJRT_Plugin_Initialize_Args*) { return nullptr; }

PJRT_Error* PluginAttributes(PJRT_Plugin_Attributes_Args* a) {
  static const int64_t current[3] = {1, 13, 0}, minimum[3] = {0, 9, 0};
  static PJRT_NamedValue values[3];
  static const bool once = [] {
    auto set = [](PJRT_NamedValue& v, const char* name) {
      v = PJRT_NamedValue{};
      v.struct_size = PJRT_NamedValue_STRUCT_SIZE;
      v.name = name;
      v.name_size = strlen(name);
    };
    set(values[0], "xla_version");
    values[0].type = PJRT_NamedValue_kInt64;
    values[0].int64_value = 2;
    values[0].value_size = 1;
    set(values[1], "stablehlo_current_version");
    values[1].type = PJRT_NamedValue_kInt64List;
    values[1].int64_array_value = current;
    values[1].value_size = 3;
    set(values[2], "stablehlo_minimum_version");
    values[2].type = PJRT_NamedValue_kInt64List;
    values[2].int64_array_value = minimum;
    values[2].value_size = 3;
    return true;
  }();
  (void)once;
  a->attributes = values;
  a->num_attributes = 3;
  return nullptr;
}

PJRT_Error* EventDestroy(PJRT_Event_Destroy_Args* a) {
  delete a->event;
  return nullptr;
}
PJRT_Error* EventIsReady(PJRT_Event_IsReady_Args* a) {
  a->is_ready = a->event->future.IsReady();
  return nullptr;
}
PJRT_Error* EventAwait(PJRT_Event_Await_Args* a) { return Fail(a->event->future.Await()); }
PJRT_Error* EventError(PJRT_Event_Error_Args* a) { return Fail(a->event->future.Await()); }
PJRT_Error* EventOnReady(PJRT_Event_OnReady_Args* a) {
  a->event->future.OnReady(
      [cb = a->callback, arg = a->user_arg](const absl::Status& s) { cb(Fail(s), arg); });
  return nullptr;
}

PJRT_Error* ClientCreate(PJRT_Client_Create_Args* a) {
  // Options of other plugins ("preallocate", …) are ignored: go-xla sends some by the plugin's name alone.
  xla::CpuClientOptions options;
  for (size_t i = 0; i < a->num_options; ++i) {
    const PJRT_NamedValue& v = a->create_options[i];
    if (std::string(v.name, v.name_size) == "cpu_device_count" && v.type == PJRT_NamedValue_kInt64)
      options.cpu_device_count = static_cast<int>(v.int64_value);
  }
  auto session = std::make_shared<Session>();
  SHIM_ASSIGN(session->client, xla::GetXlaPjrtCpuClient(std::move(options)));
  session->platform_version = std::string(session->client->platform_version()) + " (tensorflow-cpu, Fovea)";
  for (xla::PjRtDevice* d : session->client->devices()) {
    session->storage.push_back(std::make_unique<PJRT_Device>(PJRT_Device{d, {d}}));
    PJRT_Device* h = session->storage.back().get();
    session->all.push_back(h);
    session->by_device[d] = h;
  }
  for (xla::PjRtDevice* d : session->client->addressable_devices())
    session->addressable.push_back(session->by_device.at(d));
  a->client = new PJRT_Client{std::move(session)};
  return nullptr;
}

PJRT_Error* ClientDestroy(PJRT_Client_Destroy_Args* a) {
  delete a->client;
  return nullptr;
}
PJRT_Error* ClientPlatformName(PJRT_Client_PlatformName_Args* a) {
  absl::string_view s = a->client->session->client->platform_name();
  a->platform_name = s.data();
  a->platform_name_size = s.size();
  return nullptr;
}
PJRT_Error* ClientPlatformVersion(PJRT_Client_PlatformVersion_Args* a) {
  const std::string& s = a->client->session->platform_version;
  a->platform_version = s.data();
  a->platform_version_size = s.size();
  return nullptr;
}
PJRT_Error* ClientProcessIndex(PJRT_Client_ProcessIndex_Args* a) {
  a->process_index = a->client->session->client->process_index();
  return nullptr;
}
PJRT_Error* ClientDevices(PJRT_Client_Devices_Args* a) {
  a->devices = a->client->session->all.data();
  a->num_devices = a->client->session->all.size();
  return nullptr;
}
PJRT_Error* ClientAddressableDevices(PJRT_Client_AddressableDevices_Args* a) {
  a->addressable_devices = a->client->session->addressable.data();
  a->num_addressable_devices = a->client->session->addressable.size();
  return nullptr;
}
PJRT_Error* ClientLookupDevice(PJRT_Client_LookupDevice_Args* a) {
  for (PJRT_Device* d : a->client->session->all)
    if (d->device->global_device_id().value() == a->id) {
      a->device = d;
      return nullptr;
    }
  return Fail(absl::InvalidArgumentError("no device with that id"));
}
PJRT_Error* ClientLookupAddressableDevice(PJRT_Client_LookupAddressableDevice_Args* a) {
  for (PJRT_Device* d : a->client->session->addressable)
    if (d->device->local_hardware_id().value() == a->local_hardware_id) {
      a->addressable_device = d;
      return nullptr;
    }
  return Fail(absl::InvalidArgumentError("no addressable device with that id"));
}
PJRT_Error* ClientDefaultDeviceAssignment(PJRT_Client_DefaultDeviceAssignment_Args* a) {
  if (a->default_assignment_size < static_cast<size_t>(a->num_replicas) * a->num_partitions)
    return Fail(absl::InvalidArgumentError("default_assignment_size is too small"));
  SHIM_ASSIGN(xla::DeviceAssignment da, a->client->session->client->GetDefaultDeviceAssignment(
                                            a->num_replicas, a->num_partitions));
  int* out = a->default_assignment;
  for (int r = 0; r < a->num_replicas; ++r)
    for (int p = 0; p < a->num_partitions; ++p) *out++ = static_cast<int>(da(r, p));
  return nullptr;
}

PJRT_Error* DeviceGetDescription(PJRT_Device_GetDescription_Args* a) {
  a->device_description = &a->device->description;
  return nullptr;
}
PJRT_Error* DeviceIsAddressable(PJRT_Device_IsAddressable_Args* a) {
  a->is_addressable = a->device->device->IsAddressable();
  return nullptr;
}
PJRT_Error* DeviceLocalHardwareId(PJRT_Device_LocalHardwareId_Args* a) {
  a->local_hardware_id = a->device->device->local_hardware_id().value();
  return nullptr;
}
PJRT_Error* DescriptionId(PJRT_DeviceDescription_Id_Args* a) {
  a->id = a->device_description->device->global_device_id().value();
  return nullptr;
}
PJRT_Error* DescriptionProcessIndex(PJRT_DeviceDescription_ProcessIndex_Args* a) {
  a->process_index = a->device_description->device->process_index();
  return nullptr;
}
PJRT_Error* DescriptionKind(PJRT_DeviceDescription_Kind_Args* a) {
  absl::string_view s = a->device_description->device->device_kind();
  a->device_kind = s.data();
  a->device_kind_size = s.size();
  return nullptr;
}
PJRT_Error* DescriptionDebugString(PJRT_DeviceDescription_DebugString_Args* a) {
  absl::string_view s = a->device_description->device->DebugString();
  a->debug_string = s.data();
  a->debug_string_size = s.size();
  return nullptr;
}
PJRT_Error* DescriptionToString(PJRT_DeviceDescription_ToString_Args* a) {
  absl::string_view s = a->device_description->device->ToString();
  a->to_string = s.data();
  a->to_string_size = s.size();
  return nullptr;
}

}  // namespace

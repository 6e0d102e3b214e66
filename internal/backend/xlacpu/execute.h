// Running an executable on one device, or on all the devices that it was compiled for.
#pragma once

namespace {

PJRT_Error* LoadedExecute(PJRT_LoadedExecutable_Execute_Args* a) {
  const std::shared_ptr<Program>& program = a->executable->program;
  const PJRT_ExecuteOptions* o = a->options;
  if (o->num_send_ops != 0 || o->num_recv_ops != 0)
    return Fail(absl::UnimplementedError("send/recv callbacks are not supported"));
  xla::ExecuteOptions options;
  options.launch_id = o->launch_id;
  for (size_t i = 0; i < o->num_non_donatable_input_indices; ++i)
    options.non_donatable_input_indices.insert(static_cast<int>(o->non_donatable_input_indices[i]));

  std::vector<std::vector<xla::PjRtBuffer*>> args(a->num_devices);
  for (size_t d = 0; d < a->num_devices; ++d) {
    args[d].reserve(a->num_args);
    for (size_t i = 0; i < a->num_args; ++i) {
      PJRT_Buffer* b = a->argument_lists[d][i];
      if (b == nullptr) return Fail(absl::InvalidArgumentError("an argument of Execute is null"));
      args[d].push_back(b->buffer.get());
    }
  }

  std::vector<std::vector<std::unique_ptr<xla::PjRtBuffer>>> results;
  std::vector<xla::Future<>> futures;
  const bool want_futures = a->device_complete_events != nullptr;
  if (a->execute_device != nullptr) {
    if (a->num_devices != 1) return Fail(absl::InvalidArgumentError("execute_device needs num_devices == 1"));
    std::optional<xla::Future<>> future;
    absl::StatusOr<std::vector<std::unique_ptr<xla::PjRtBuffer>>> r =
        program->portable ? program->exec->ExecutePortable(args[0], a->execute_device->device, options, future,
                                                           /*fill_future=*/want_futures)
                          : program->exec->ExecuteSharded(args[0], a->execute_device->device, options, future,
                                                          /*fill_future=*/want_futures);
    if (!r.ok()) return Fail(r.status());
    results.push_back(std::move(*r));
    if (future.has_value()) futures.push_back(std::move(*future));
  } else {
    std::optional<std::vector<xla::Future<>>> many;
    if (want_futures) many.emplace();
    SHIM_ASSIGN(results, program->exec->Execute(args, options, many));
    if (many.has_value()) futures = std::move(*many);
  }
  if (results.size() != a->num_devices || (want_futures && futures.size() != a->num_devices))
    return Fail(absl::InternalError("Execute returned an unexpected number of results"));

  for (size_t d = 0; d < a->num_devices; ++d) {
    if (results[d].size() != program->num_outputs)
      return Fail(absl::InternalError("Execute returned an unexpected number of outputs"));
    for (size_t i = 0; i < results[d].size(); ++i)
      a->output_lists[d][i] = new PJRT_Buffer{program->session, std::move(results[d][i])};
    if (want_futures) a->device_complete_events[d] = new PJRT_Event{std::move(futures[d])};
  }
  return nullptr;
}

}  // namespace

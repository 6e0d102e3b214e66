// Buffers: element types and shapes, copies from and to the host, views, bitcasts.
#pragma once

namespace {

struct TypePair {
  PJRT_Buffer_Type c;
  xla::PrimitiveType x;
};
constexpr TypePair kTypes[] = {
    {PJRT_Buffer_Type_PRED, xla::PRED},
    {PJRT_Buffer_Type_S8, xla::S8},
    {PJRT_Buffer_Type_S16, xla::S16},
    {PJRT_Buffer_Type_S32, xla::S32},
    {PJRT_Buffer_Type_S64, xla::S64},
    {PJRT_Buffer_Type_U8, xla::U8},
    {PJRT_Buffer_Type_U16, xla::U16},
    {PJRT_Buffer_Type_U32, xla::U32},
    {PJRT_Buffer_Type_U64, xla::U64},
    {PJRT_Buffer_Type_F16, xla::F16},
    {PJRT_Buffer_Type_F32, xla::F32},
    {PJRT_Buffer_Type_F64, xla::F64},
    {PJRT_Buffer_Type_BF16, xla::BF16},
    {PJRT_Buffer_Type_C64, xla::C64},
    {PJRT_Buffer_Type_C128, xla::C128},
    {PJRT_Buffer_Type_F8E5M2, xla::F8E5M2},
    {PJRT_Buffer_Type_F8E4M3FN, xla::F8E4M3FN},
    {PJRT_Buffer_Type_F8E4M3B11FNUZ, xla::F8E4M3B11FNUZ},
    {PJRT_Buffer_Type_F8E5M2FNUZ, xla::F8E5M2FNUZ},
    {PJRT_Buffer_Type_F8E4M3FNUZ, xla::F8E4M3FNUZ},
    {PJRT_Buffer_Type_S4, xla::S4},
    {PJRT_Buffer_Type_U4, xla::U4},
    {PJRT_Buffer_Type_TOKEN, xla::TOKEN},
    {PJRT_Buffer_Type_S2, xla::S2},
    {PJRT_Buffer_Type_U2, xla::U2},
    {PJRT_Buffer_Type_F8E4M3, xla::F8E4M3},
    {PJRT_Buffer_Type_F8E3M4, xla::F8E3M4},
    {PJRT_Buffer_Type_F8E8M0FNU, xla::F8E8M0FNU},
    {PJRT_Buffer_Type_F4E2M1FN, xla::F4E2M1FN},
};

xla::PrimitiveType FromC(PJRT_Buffer_Type t) {
  for (const TypePair& p : kTypes)
    if (p.c == t) return p.x;
  return xla::PRIMITIVE_TYPE_INVALID;
}
PJRT_Buffer_Type ToC(xla::PrimitiveType t) {
  for (const TypePair& p : kTypes)
    if (p.x == t) return p.c;
  return PJRT_Buffer_Type_INVALID;
}

// Only dense layouts are supported; `layout` may be null (major to minor). The Tiled layout of a host buffer must have
// no tiles, the Strides layout is not supported.
absl::StatusOr<xla::Shape> HostShape(PJRT_Buffer_Type type, absl::Span<const int64_t> dims,
                                     const PJRT_Buffer_MemoryLayout* layout) {
  xla::PrimitiveType t = FromC(type);
  if (t == xla::PRIMITIVE_TYPE_INVALID || t == xla::TOKEN)
    return absl::InvalidArgumentError("unsupported element type");
  if (layout == nullptr) return xla::ShapeUtil::MakeValidatedShapeWithDescendingLayout(t, dims);
  if (layout->type != PJRT_Buffer_MemoryLayout_Type_Tiled || layout->tiled.num_tiles != 0)
    return absl::UnimplementedError("only dense minor-to-major layouts are supported");
  if (layout->tiled.minor_to_major_size != dims.size())
    return absl::InvalidArgumentError("the layout's rank differs from the shape's");
  return xla::ShapeUtil::MakeValidatedShapeWithDenseLayout(
      t, dims, absl::MakeConstSpan(layout->tiled.minor_to_major, layout->tiled.minor_to_major_size));
}

// The shape of memory that already is on the device, where sub-byte types are packed.
absl::StatusOr<xla::Shape> DeviceShape(PJRT_Buffer_Type type, absl::Span<const int64_t> dims,
                                       const PJRT_Buffer_MemoryLayout* layout) {
  absl::StatusOr<xla::Shape> shape = HostShape(type, dims, layout);
  if (shape.ok() && xla::primitive_util::IsSubByteNonPredType(shape->element_type()))
    shape->mutable_layout()->set_element_size_in_bits(xla::primitive_util::BitWidth(shape->element_type()));
  return shape;
}

// The plugin hands out no PJRT_Memory, so no caller can have one.
absl::StatusOr<xla::PjRtMemorySpace*> Space(PJRT_Device* device, PJRT_Memory* memory) {
  if (memory != nullptr) return absl::UnimplementedError("memory spaces are not supported");
  if (device == nullptr) return absl::InvalidArgumentError("no device was given");
  return device->device->default_memory_space();
}

PJRT_Error* BufferFromHost(PJRT_Client_BufferFromHostBuffer_Args* a) {
  SHIM_ASSIGN(xla::PjRtMemorySpace * space, Space(a->device, a->memory));
  xla::PrimitiveType type = FromC(a->type);
  if (type == xla::PRIMITIVE_TYPE_INVALID) return Fail(absl::InvalidArgumentError("unsupported element type"));
  if (a->device_layout != nullptr) return Fail(absl::UnimplementedError("device_layout is not supported"));
  absl::Span<const int64_t> dims(a->dims, a->num_dims);
  std::optional<absl::Span<const int64_t>> strides;
  if (a->num_byte_strides != 0) strides.emplace(a->byte_strides, a->num_byte_strides);

  using Semantics = xla::PjRtClient::HostBufferSemantics;
  Semantics semantics;
  switch (a->host_buffer_semantics) {
    case PJRT_HostBufferSemantics_kImmutableOnlyDuringCall:
      semantics = Semantics::kImmutableOnlyDuringCall;
      break;
    case PJRT_HostBufferSemantics_kImmutableUntilTransferCompletes:
      semantics = Semantics::kImmutableUntilTransferCompletes;
      break;
    case PJRT_HostBufferSemantics_kImmutableZeroCopy:
      semantics = Semantics::kImmutableZeroCopy;
      break;
    case PJRT_HostBufferSemantics_kMutableZeroCopy:
      semantics = Semantics::kMutableZeroCopy;
      break;
    default:
      return Fail(absl::InvalidArgumentError("unknown host buffer semantics"));
  }
  auto [promise, future] = xla::MakePromise<>();
  SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer> buffer,
              a->client->session->client->BufferFromHostBuffer(
                  a->data, type, dims, strides, semantics,
                  [p = std::move(promise)]() mutable { p.Set(absl::OkStatus()); }, space,
                  /*device_layout=*/static_cast<const xla::Layout*>(nullptr)));
  a->buffer = new PJRT_Buffer{a->client->session, std::move(buffer)};
  a->done_with_host_buffer = new PJRT_Event{std::move(future)};
  return nullptr;
}

PJRT_Error* CreateView(PJRT_Client_CreateViewOfDeviceBuffer_Args* a) {
  SHIM_ASSIGN(xla::PjRtMemorySpace * space, Space(a->device, a->memory));
  SHIM_ASSIGN(xla::Shape shape, DeviceShape(a->element_type, absl::MakeConstSpan(a->dims, a->num_dims), a->layout));
  std::function<void()> on_delete;
  if (a->on_delete_callback != nullptr)
    on_delete = [cb = a->on_delete_callback, p = a->device_buffer_ptr, arg = a->on_delete_callback_arg] { cb(p, arg); };
  SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer> buffer,
              a->client->session->client->CreateViewOfDeviceBuffer(a->device_buffer_ptr, shape, space,
                                                                   std::move(on_delete)));
  a->buffer = new PJRT_Buffer{a->client->session, std::move(buffer)};
  return nullptr;
}

PJRT_Error* BufferDestroy(PJRT_Buffer_Destroy_Args* a) {
  delete a->buffer;
  return nullptr;
}
PJRT_Error* BufferElementType(PJRT_Buffer_ElementType_Args* a) {
  a->type = ToC(a->buffer->buffer->element_type());
  return nullptr;
}
PJRT_Error* BufferDimensions(PJRT_Buffer_Dimensions_Args* a) {
  absl::Span<const int64_t> d = a->buffer->buffer->dimensions();
  a->dims = d.data();
  a->num_dims = d.size();
  return nullptr;
}
PJRT_Error* BufferDevice(PJRT_Buffer_Device_Args* a) {
  a->device = a->buffer->session->by_device.at(a->buffer->buffer->device());
  return nullptr;
}
PJRT_Error* BufferDelete(PJRT_Buffer_Delete_Args* a) {
  a->buffer->buffer->Delete();
  return nullptr;
}
PJRT_Error* BufferIsDeleted(PJRT_Buffer_IsDeleted_Args* a) {
  a->is_deleted = a->buffer->buffer->IsDeleted();
  return nullptr;
}
PJRT_Error* BufferIsOnCpu(PJRT_Buffer_IsOnCpu_Args* a) {
  a->is_on_cpu = a->buffer->buffer->IsOnCpu();
  return nullptr;
}
PJRT_Error* BufferReadyEvent(PJRT_Buffer_ReadyEvent_Args* a) {
  a->event = new PJRT_Event{a->buffer->buffer->GetReadyFuture()};
  return nullptr;
}
PJRT_Error* BufferOnDeviceSize(PJRT_Buffer_OnDeviceSizeInBytes_Args* a) {
  SHIM_ASSIGN(a->on_device_size_in_bytes, a->buffer->buffer->GetOnDeviceSizeInBytes());
  return nullptr;
}
PJRT_Error* BufferUnsafePointer(PJRT_Buffer_UnsafePointer_Args* a) {
  SHIM_ASSIGN(a->buffer_pointer, a->buffer->session->client->UnsafeBufferPointer(a->buffer->buffer.get()));
  return nullptr;
}

PJRT_Error* BufferToHost(PJRT_Buffer_ToHostBuffer_Args* a) {
  xla::PjRtBuffer* src = a->src->buffer.get();
  SHIM_ASSIGN(xla::Shape shape, HostShape(ToC(src->element_type()), src->dimensions(), a->host_layout));
  const size_t need = static_cast<size_t>(xla::ShapeUtil::ByteSizeOfElements(shape));
  if (a->dst == nullptr) {
    a->dst_size = need;
    return nullptr;
  }
  if (a->dst_size < need) return Fail(absl::InvalidArgumentError("dst_size is smaller than the buffer"));
  // A finished buffer that already has the asked layout is copied here, without a trip to a worker thread.
  if (src->on_device_shape().is_static() && !xla::primitive_util::IsSubByteNonPredType(src->element_type()) &&
      xla::LayoutUtil::Equal(src->on_device_shape().layout(), shape.layout())) {
    xla::Future<> ready = src->GetReadyFuture();
    if (ready.IsReady() && ready.Await().ok()) {
      SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer::ExternalReference> reference, src->AcquireExternalReference());
      memcpy(a->dst, reference->OpaqueDeviceMemoryDataPointer(), need);
      a->event = new PJRT_Event{std::move(ready)};
      return nullptr;
    }
  }
  auto literal = std::make_shared<xla::MutableBorrowingLiteral>(static_cast<const char*>(a->dst), shape);
  xla::Future<> future = src->ToLiteral(literal.get());
  future.OnReady([literal](const absl::Status&) {});  // keeps the literal alive until the copy is done
  a->event = new PJRT_Event{std::move(future)};
  return nullptr;
}

PJRT_Error* BufferCopyToDevice(PJRT_Buffer_CopyToDevice_Args* a) {
  SHIM_ASSIGN(xla::PjRtMemorySpace * space, a->dst_device->device->default_memory_space());
  SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer> copy, a->buffer->buffer->CopyToMemorySpace(space));
  a->dst_buffer = new PJRT_Buffer{a->buffer->session, std::move(copy)};
  return nullptr;
}

// The C++ API of this version has no bitcast: the result is a view that keeps the source's memory alive.
PJRT_Error* BufferBitcast(PJRT_Buffer_Bitcast_Args* a) {
  SHIM_ASSIGN(xla::Shape shape, DeviceShape(a->element_type, absl::MakeConstSpan(a->dims, a->num_dims), a->device_layout));
  std::shared_ptr<xla::PjRtBuffer> src = a->buffer->buffer;
  SHIM_ASSIGN(size_t size, src->GetOnDeviceSizeInBytes());
  if (static_cast<size_t>(xla::ShapeUtil::ByteSizeOfElements(shape)) != size)
    return Fail(absl::InvalidArgumentError("bitcast between different sizes"));
  SHIM_RETURN_IF_ERROR(src->GetReadyFuture().Await());
  SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer::ExternalReference> reference, src->AcquireExternalReference());
  // XLA aborts if a buffer is destroyed while an external reference to it exists, so the view keeps both: the
  // reference is released first, then the buffer.
  struct Hold {
    std::shared_ptr<xla::PjRtBuffer> buffer;
    std::unique_ptr<xla::PjRtBuffer::ExternalReference> reference;
  };
  void* data = reference->OpaqueDeviceMemoryDataPointer();
  auto hold = std::make_shared<Hold>(Hold{src, std::move(reference)});
  SHIM_ASSIGN(std::unique_ptr<xla::PjRtBuffer> view,
              a->buffer->session->client->CreateViewOfDeviceBuffer(
                  data, shape, src->memory_space(), [hold = std::move(hold)]() mutable { hold.reset(); }));
  a->out_buffer = new PJRT_Buffer{a->buffer->session, std::move(view)};
  return nullptr;
}

}  // namespace

using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>From a tensor to what computes on it, and from host data to tensors.</summary>
public static class TensorBackendExtensions
{
    extension(Tensor tensor)
    {
        /// <summary>The backend of the device this tensor lives on.</summary>
        internal IBackend Backend => (IBackend)tensor.Device;

        /// <summary>A new tensor on the same device, contents undefined; stored as results computed from this one are unless a dtype is
        /// given.</summary>
        internal Tensor NewLike(Shape shape, DType? dtype = null, MemoryKind kind = MemoryKind.Activation) =>
            tensor.Backend.NewTensor(shape, dtype ?? tensor.ResultDType, kind);

        /// <summary>How results computed from this tensor are stored: BF16 after BF16 activations; F32 after anything else, and so after
        /// weights whatever their storage.</summary>
        internal DType ResultDType =>
            tensor.DType == DType.BF16 && tensor.Backend.ActivationDType == DType.BF16
            && tensor.Storage.Kind is not (MemoryKind.Frozen or MemoryKind.Trainable) ? DType.BF16 : DType.F32;

        /// <summary>Copies the elements to the host. The tensor's dtype must be that of <typeparamref name="T"/> in size.</summary>
        public unsafe T[] ToArray<T>() where T : unmanaged
        {
            if (sizeof(T) != tensor.DType.Size)
            {
                throw new ArgumentException($"elements of a {tensor.DType} tensor are {tensor.DType.Size} bytes, not {sizeof(T)}");
            }
            var values = new T[tensor.Count];
            tensor.Download(values.AsSpan());
            GC.KeepAlive(tensor); // An unscoped temporary must not be finalized while its bytes are copied.
            return values;
        }

        /// <summary>Copies floating-point elements to the host, widened to float32.</summary>
        public float[] ToFloats()
        {
            if (tensor.DType == DType.F32)
            {
                return tensor.ToArray<float>();
            }
            using var scope = new TensorScope();
            var wide = tensor.NewLike(tensor.Shape, DType.F32, MemoryKind.Workspace);
            tensor.Backend.Cast(tensor, wide);
            return wide.ToArray<float>();
        }

        /// <summary>Copies the elements to the host as they are stored.</summary>
        internal byte[] ToBytes()
        {
            byte[] bytes = new byte[tensor.ByteCount];
            tensor.Backend.Download(tensor, bytes);
            return bytes;
        }

        /// <summary>The one element of an F32 scalar.</summary>
        public float Item()
        {
            if (tensor.Count != 1 || tensor.DType != DType.F32)
            {
                throw new ShapeException("item", $"needs one F32 element, got {tensor}");
            }
            float value = 0;
            tensor.Backend.Download(tensor, MemoryMarshal.AsBytes(new Span<float>(ref value)));
            GC.KeepAlive(tensor);
            return value;
        }
    }

    extension(IBackend backend)
    {
        /// <summary>A new tensor, contents undefined.</summary>
        public Tensor NewTensor(Shape shape, DType dtype = DType.F32, MemoryKind kind = MemoryKind.Activation) =>
            Tensor.Owning(backend.Allocate(shape.Count * dtype.Size, kind), shape, dtype);

        /// <summary>A new tensor of zeros.</summary>
        public Tensor Zeros(Shape shape, DType dtype = DType.F32, MemoryKind kind = MemoryKind.Activation)
        {
            var tensor = backend.NewTensor(shape, dtype, kind);
            backend.Zero(tensor);
            return tensor;
        }

        /// <summary>A new F32 tensor with the given values, in row-major order.</summary>
        public Tensor From(ReadOnlySpan<float> values, Shape shape, MemoryKind kind = MemoryKind.Activation) =>
            backend.FromHost(values, shape, DType.F32, kind);

        /// <summary>A new I32 tensor with the given values, in row-major order.</summary>
        public Tensor From(ReadOnlySpan<int> values, Shape shape, MemoryKind kind = MemoryKind.Activation) =>
            backend.FromHost(values, shape, DType.I32, kind);

        private Tensor FromHost<T>(ReadOnlySpan<T> values, Shape shape, DType dtype, MemoryKind kind) where T : unmanaged
        {
            if (values.Length != shape.Count)
            {
                throw new ShapeException("from", $"{values.Length} values do not fill a tensor of shape {shape}");
            }
            var tensor = backend.NewTensor(shape, dtype, kind);
            for (long at = 0; at < values.Length; at += ChunkedTransfer.Bytes)
            {
                int count = (int)Math.Min(ChunkedTransfer.Bytes, values.Length - at);
                using var piece = tensor.Unscoped([count], at);
                backend.Upload(MemoryMarshal.AsBytes(values.Slice((int)at, count)), piece);
            }
            return tensor;
        }
    }
}

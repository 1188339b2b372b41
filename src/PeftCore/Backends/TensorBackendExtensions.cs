using System.Runtime.InteropServices;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>The backend of a tensor, and transfers between host arrays and tensors.</summary>
public static class TensorBackendExtensions
{
    extension(Tensor tensor)
    {
        /// <summary>The backend of the tensor's device. Every device is a backend: the cast is needed because the layer Tensors does not
        /// refer to Backends.</summary>
        internal Backend Backend => (Backend)tensor.Device;

        /// <summary>A new tensor on the same device, contents undefined; of the dtype of results computed from this one
        /// unless one is given.</summary>
        internal Tensor NewLike(Shape shape, DType? dtype = null, MemoryKind kind = MemoryKind.Activation) =>
            tensor.Backend.NewTensor(shape, dtype ?? tensor.ResultDType, kind);

        /// <summary>The dtype of results computed from this tensor: BF16 for BF16 activations, else F32, also for weights of any
        /// dtype.</summary>
        internal DType ResultDType =>
            tensor.DType == DType.BF16 && tensor.Backend.ActivationDType == DType.BF16
            && tensor.Storage.Kind is not (MemoryKind.Frozen or MemoryKind.Trainable) ? DType.BF16 : DType.F32;

        /// <summary>Copies the elements to the host. <typeparamref name="T"/> must have the size of the tensor's dtype.</summary>
        public unsafe T[] ToArray<T>() where T : unmanaged
        {
            ArgumentNullException.ThrowIfNull(tensor);
            if (sizeof(T) != tensor.DType.Size)
            {
                throw new ArgumentException($"elements of a {tensor.DType} tensor are {tensor.DType.Size} bytes, not {sizeof(T)}");
            }
            var values = tensor.NewArray<T>();
            tensor.Download(values.AsSpan());
            GC.KeepAlive(tensor); // An unscoped temporary must not be finalized while its bytes are copied.
            return values;
        }

        /// <summary>Copies floating-point elements to the host as float32.</summary>
        public float[] ToFloats()
        {
            ArgumentNullException.ThrowIfNull(tensor);
            if (tensor.DType == DType.F32)
            {
                return tensor.ToArray<float>();
            }
            if (tensor.Format is not null)
            {
                using var numbers = tensor.NewLike(tensor.Shape, DType.F32, MemoryKind.Workspace);
                tensor.Backend.Dequantize(tensor, numbers);
                return numbers.ToArray<float>();
            }
            float[] values = tensor.NewArray<float>();
            foreach (var (first, chunk) in tensor.Chunks())
            {
                using var f32 = chunk.NewLike(chunk.Shape, DType.F32, MemoryKind.Workspace);
                chunk.Backend.Cast(chunk, f32);
                f32.Download(values.AsSpan((int)first, (int)chunk.Count));
            }
            return values;
        }

        /// <summary>Replaces the elements of an F32 tensor by values from the host, in row-major order.</summary>
        public void Upload(ReadOnlySpan<float> values)
        {
            ArgumentNullException.ThrowIfNull(tensor);
            if (values.Length != tensor.Count || tensor.DType != DType.F32)
            {
                throw new ShapeException("upload", $"{values.Length} F32 values do not fill {tensor}");
            }
            tensor.Upload<float>(values);
        }

        /// <summary>Copies the stored bytes to the host.</summary>
        internal byte[] ToBytes()
        {
            if (tensor.Format is not null)
            {
                using var stored = tensor.PartOf(0, [checked((int)tensor.ByteCount)], DType.U8);
                return stored.ToBytes();
            }
            byte[] bytes = new byte[tensor.ByteCount];
            int size = tensor.DType.Size;
            foreach (var (first, chunk) in tensor.Chunks())
            {
                chunk.Backend.Download(chunk, bytes.AsSpan((int)(first * size), (int)chunk.ByteCount));
            }
            return bytes;
        }

        /// <summary>An array for all elements.</summary>
        private T[] NewArray<T>() => tensor.Count <= Array.MaxLength ? new T[tensor.Count] : throw new NotSupportedException(
            $"{tensor} has {tensor.Count} elements, but an array holds at most {Array.MaxLength}; read it in parts");

        /// <summary>The value of an F32 tensor of one element.</summary>
        public float Item()
        {
            ArgumentNullException.ThrowIfNull(tensor);
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

    extension(Backend backend)
    {
        /// <summary>A new tensor, contents undefined.</summary>
        internal Tensor NewTensor(Shape shape, DType dtype = DType.F32, MemoryKind kind = MemoryKind.Activation) =>
            Tensor.Owning(backend.Allocate(shape.Count * dtype.Size, kind), shape, dtype);

        /// <summary>A new quantised weight, contents undefined.</summary>
        internal Tensor NewTensor(Shape shape, QuantizedFormat format) =>
            Tensor.Owning(backend.Allocate(format.PartsOf(shape).Bytes, MemoryKind.Frozen), shape, format);

        /// <summary>A new tensor of zeros.</summary>
        public Tensor Zeros(Shape shape, DType dtype = DType.F32, MemoryKind kind = MemoryKind.Activation)
        {
            ArgumentNullException.ThrowIfNull(backend);
            CheckKind(kind);
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
            ArgumentNullException.ThrowIfNull(backend);
            CheckKind(kind);
            if (values.Length != shape.Count)
            {
                throw new ShapeException("from", $"{values.Length} values do not fill a tensor of shape {shape}");
            }
            var tensor = backend.NewTensor(shape, dtype, kind);
            tensor.Upload(values);
            return tensor;
        }
    }

    private static void CheckKind(MemoryKind kind)
    {
        if (!Enum.IsDefined(kind))
        {
            throw new ArgumentOutOfRangeException(nameof(kind), kind, "not a kind of memory");
        }
    }
}

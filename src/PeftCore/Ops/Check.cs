using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Shape and dtype rules shared by ops.</summary>
internal static class Check
{
    public static void Float32(string op, string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.DType != DType.F32)
        {
            throw new ShapeException(op, $"{name} must be F32, got {tensor}");
        }
    }

    /// <summary>Checks the dtype of an activation: F32, or BF16 on backends that store activations in it.</summary>
    public static void Activation(string op, string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.DType != DType.F32 && (tensor.DType != DType.BF16 || tensor.Backend.ActivationDType != DType.BF16))
        {
            throw new ShapeException(op,
                $"{name} must be {(tensor.Backend.ActivationDType == DType.BF16 ? "F32 or BF16" : "F32")}, got {tensor}");
        }
    }

    /// <summary>Checks that the elements can be counted in 32 bits, as an op needs whose kernels have 32-bit strides.</summary>
    public static void CountsInInt(string op, Tensor tensor)
    {
        if (tensor.Count > int.MaxValue)
        {
            throw new ShapeException(op, $"{tensor} has {tensor.Count} elements, but at most {int.MaxValue} are possible here; treat it " +
                "in parts");
        }
    }

    public static void Int32(string op, string name, Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor, name);
        if (tensor.DType != DType.I32)
        {
            throw new ShapeException(op, $"{name} must be I32, got {tensor}");
        }
    }

    /// <summary>Checks that all tensors are on one device.</summary>
    public static void OneDevice(string op, Tensor tensor, params ReadOnlySpan<Tensor?> others)
    {
        foreach (var other in others)
        {
            if (other is not null && !ReferenceEquals(other.Device, tensor.Device))
            {
                throw new ShapeException(op, $"all tensors must be on one backend, got {tensor} and {other}"
                    + (tensor.Device.Name != other.Device.Name ? ""
                        : $", of the backends that were opened as numbers {tensor.Device.Number} and {other.Device.Number}")
                    + "; make both with the same backend");
            }
        }
    }

    public static void SameShape(string op, Tensor a, Tensor b)
    {
        Activation(op, "left", a);
        Activation(op, "right", b);
        OneDevice(op, a, b);
        if (a.Shape != b.Shape)
        {
            throw new ShapeException(op, $"needs equal shapes, got {a.Shape} and {b.Shape}");
        }
        if (a.DType != b.DType)
        {
            throw new ShapeException(op, $"needs equal dtypes, got {a} and {b}");
        }
    }

    public static void Vector(string op, string name, Tensor? vector, int length)
    {
        if (vector is not null && vector.Count != length)
        {
            throw new ShapeException(op, $"{name} must have {length} elements, got {vector}");
        }
    }

    /// <summary>Checks a vector of parameters, of any floating-point dtype.</summary>
    public static void Weights(string op, string name, Tensor? vector, int length)
    {
        if (vector is not null && (vector.Count != length || !vector.DType.IsFloat))
        {
            throw new ShapeException(op, $"{name} must have {length} floating-point elements, got {vector}");
        }
    }

    public static void Matrix(string op, string name, Tensor matrix, int rows, int columns)
    {
        if (matrix.Shape.Rank != 2 || matrix.Shape[0] != rows || matrix.Shape[1] != columns || !matrix.DType.IsFloat)
        {
            throw new ShapeException(op, $"{name} must have shape ({rows}, {columns}), got {matrix}");
        }
    }

    /// <summary>Checks the heads of a tensor. A KV cache (<see cref="MemoryKind.Cache"/>) may be BF16 on any device.</summary>
    public static void Heads(string op, string name, Heads heads)
    {
        int stride = heads.Stride == 0 ? heads.Dim : heads.Stride;
        long end = heads.Offset + (heads.Count - 1L) * stride + heads.Dim;
        if (heads.Tensor.Storage.Kind != MemoryKind.Cache || heads.Tensor.DType != DType.BF16)
        {
            Activation(op, name, heads.Tensor);
        }
        if (heads.Count < 1 || heads.Dim < 1 || heads.Offset < 0 || stride < heads.Dim || end > heads.Tensor.Shape.Columns)
        {
            throw new ShapeException(op, $"{heads.Count} heads of {heads.Dim} columns, one every {stride} from column {heads.Offset} on, " +
                $"do not fit in {name} {heads.Tensor.Shape}");
        }
    }
}

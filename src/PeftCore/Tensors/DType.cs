using PeftCore.Kernels;

namespace PeftCore.Tensors;

/// <summary>Element types of tensors.</summary>
public enum DType
{
    /// <summary>IEEE single precision, 4 bytes: activations, gradients, trained parameters and their moments.</summary>
    F32,

    /// <summary>bfloat16, 2 bytes: the upper half of an F32.</summary>
    BF16,

    /// <summary>IEEE half precision, 2 bytes.</summary>
    F16,

    /// <summary>32-bit signed integers: token ids, positions, ranges.</summary>
    I32,

    /// <summary>64-bit signed integers.</summary>
    I64,

    /// <summary>Bytes.</summary>
    U8,

    /// <summary>A frozen weight matrix of few bits a number, with scales; <see cref="Tensor.ToString"/> names its format.</summary>
    Quantized,
}

/// <summary>Sizes and names of dtypes.</summary>
internal static class DTypes
{
    extension(DType dtype)
    {
        /// <summary>Bytes of one element.</summary>
        public int Size => dtype switch
        {
            DType.F32 or DType.I32 => 4,
            DType.BF16 or DType.F16 => 2,
            DType.I64 => 8,
            DType.U8 => 1,
            DType.Quantized => throw new InvalidOperationException("the numbers of a quantised weight have no size of their own"),
            _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "not a dtype"),
        };

        /// <summary>Whether elements are floating-point numbers.</summary>
        public bool IsFloat => dtype is DType.F32 or DType.BF16 or DType.F16;

        internal ElementType Element => dtype switch
        {
            DType.F32 => ElementType.F32,
            DType.BF16 => ElementType.BF16,
            DType.F16 => ElementType.F16,
            _ => throw new InvalidOperationException($"{dtype} is not a floating-point dtype"),
        };
    }
}

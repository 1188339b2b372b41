namespace PeftCore.Kernels;

/// <summary>The type of stored elements. Kernels compute in float32 for each of them.</summary>
internal enum ElementType
{
    /// <summary>IEEE single precision, 4 bytes.</summary>
    F32,

    /// <summary>bfloat16, the upper half of a float32, 2 bytes.</summary>
    BF16,

    /// <summary>IEEE half precision, 2 bytes.</summary>
    F16,
}

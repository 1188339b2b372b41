namespace PeftCore.Kernels;

/// <summary>How one number is stored. Kernels compute in float32 whatever the storage.</summary>
internal enum ElementType
{
    /// <summary>IEEE single precision, 4 bytes.</summary>
    F32,

    /// <summary>The upper half of a float32, 2 bytes.</summary>
    BF16,

    /// <summary>IEEE half precision, 2 bytes.</summary>
    F16,
}

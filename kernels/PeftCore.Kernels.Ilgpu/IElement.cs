using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>An element type of tensors. Kernels compute in float32 whatever the element type.</summary>
internal interface IElement<TSelf> where TSelf : unmanaged, IElement<TSelf>
{
    /// <summary>The element in float32, exactly.</summary>
    static abstract float ToFloat(TSelf element);

    /// <summary>The nearest element, ties to even.</summary>
    static abstract TSelf FromFloat(float x);
}

/// <summary>float32.</summary>
internal struct Float32 : IElement<Float32>
{
    public float Value;

    public static float ToFloat(Float32 element) => element.Value;

    public static Float32 FromFloat(float x) => new() { Value = x };
}

/// <summary>bfloat16: the upper half of a float32.</summary>
internal struct BFloat16 : IElement<BFloat16>
{
    public ushort Bits;

    public static float ToFloat(BFloat16 element) => Interop.IntAsFloat((uint)element.Bits << 16);

    public static BFloat16 FromFloat(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        uint rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        // Rounding would turn some NaNs into infinity or zero.
        uint kept = (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16) | 0x40u : rounded;
        return new BFloat16 { Bits = (ushort)kept };
    }
}

/// <summary>IEEE half precision, by arithmetic: System.Half does not compile for a GPU.</summary>
internal struct Float16 : IElement<Float16>
{
    private const float Rebias = 5.192296858534828e33f; // 2¹¹², the difference of the two exponents' biases

    public ushort Bits;

    public static float ToFloat(Float16 element)
    {
        uint bits = element.Bits;
        uint magnitude = (bits & 0x7FFFu) << 13;
        // Multiplying also turns subnormal halves into normal floats; infinities and NaN get the full exponent instead.
        uint single = (bits & 0x7C00u) == 0x7C00u ? magnitude | 0x7F800000u : Interop.FloatAsInt(Interop.IntAsFloat(magnitude) * Rebias);
        return Interop.IntAsFloat(single | ((bits & 0x8000u) << 16));
    }

    public static Float16 FromFloat(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        uint sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
        // Adding 0.5 shifts a subnormal half into the low bits, and the addition rounds it.
        uint small = Interop.FloatAsInt(Interop.IntAsFloat(magnitude) + 0.5f) - 0x3F000000u;
        uint normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
        uint large = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
        uint kept = magnitude >= 0x47800000u ? large : magnitude < 0x38800000u ? small : normal;
        return new Float16 { Bits = (ushort)(sign | kept) };
    }
}

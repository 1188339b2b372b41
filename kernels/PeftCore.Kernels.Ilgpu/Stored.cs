using ILGPU;

namespace PeftCore.Kernels.Ilgpu;

/// <summary>A number as it is stored. Kernels compute in float32 whatever the storage.</summary>
internal interface IStored<TSelf> where TSelf : unmanaged, IStored<TSelf>
{
    /// <summary>The number in float32, exactly.</summary>
    static abstract float Widen(TSelf stored);

    /// <summary>The nearest number that can be stored, ties to even.</summary>
    static abstract TSelf Narrow(float x);
}

/// <summary>float32.</summary>
internal struct Single32 : IStored<Single32>
{
    public float Value;

    public static float Widen(Single32 stored) => stored.Value;

    public static Single32 Narrow(float x) => new() { Value = x };
}

/// <summary>bfloat16: the upper half of a float32.</summary>
internal struct Brain16 : IStored<Brain16>
{
    public ushort Bits;

    public static float Widen(Brain16 stored) => Interop.IntAsFloat((uint)stored.Bits << 16);

    public static Brain16 Narrow(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        uint rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        // Adding would carry a NaN over into infinity or zero.
        uint kept = (bits & 0x7FFFFFFFu) > 0x7F800000u ? (bits >> 16) | 0x40u : rounded;
        return new Brain16 { Bits = (ushort)kept };
    }
}

/// <summary>IEEE half precision, by arithmetic: System.Half does not compile for a GPU.</summary>
internal struct Half16 : IStored<Half16>
{
    private const float Up = 5.192296858534828e33f; // 2¹¹², the difference of the two exponents' biases

    public ushort Bits;

    public static float Widen(Half16 stored)
    {
        uint bits = stored.Bits;
        uint magnitude = (bits & 0x7FFFu) << 13;
        // Multiplying also turns subnormal halves into normal floats; infinities and NaN have an exponent to fill instead.
        uint wide = (bits & 0x7C00u) == 0x7C00u ? magnitude | 0x7F800000u : Interop.FloatAsInt(Interop.IntAsFloat(magnitude) * Up);
        return Interop.IntAsFloat(wide | ((bits & 0x8000u) << 16));
    }

    public static Half16 Narrow(float x)
    {
        uint bits = Interop.FloatAsInt(x);
        uint sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
        // Adding 0.5 leaves a subnormal half in the low bits, rounded by the addition itself.
        uint small = Interop.FloatAsInt(Interop.IntAsFloat(magnitude) + 0.5f) - 0x3F000000u;
        uint normal = (magnitude - 0x38000000u + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13;
        uint large = magnitude > 0x7F800000u ? 0x7E00u : 0x7C00u;
        uint kept = magnitude >= 0x47800000u ? large : magnitude < 0x38800000u ? small : normal;
        return new Half16 { Bits = (ushort)(sign | kept) };
    }
}

using ILGPU;
using PeftCore.Kernels.Ilgpu.Portable.Matrix;

namespace PeftCore.Kernels.Ilgpu.Vectorized;

/// <summary>Eight neighbouring elements of a row in float32 registers. Named fields, because an indexed array would be in local
/// memory.</summary>
internal struct Float32x8
{
    public float A, B, C, D, E, F, G, H;

    public static Float32x8 operator +(Float32x8 x, Float32x8 y) => new()
    {
        A = x.A + y.A, B = x.B + y.B, C = x.C + y.C, D = x.D + y.D,
        E = x.E + y.E, F = x.F + y.F, G = x.G + y.G, H = x.H + y.H,
    };

    public static Float32x8 operator -(Float32x8 x, Float32x8 y) => new()
    {
        A = x.A - y.A, B = x.B - y.B, C = x.C - y.C, D = x.D - y.D,
        E = x.E - y.E, F = x.F - y.F, G = x.G - y.G, H = x.H - y.H,
    };

    public static Float32x8 operator *(Float32x8 x, Float32x8 y) => new()
    {
        A = x.A * y.A, B = x.B * y.B, C = x.C * y.C, D = x.D * y.D,
        E = x.E * y.E, F = x.F * y.F, G = x.G * y.G, H = x.H * y.H,
    };

    public static Float32x8 operator *(Float32x8 x, float y) => new()
    {
        A = x.A * y, B = x.B * y, C = x.C * y, D = x.D * y,
        E = x.E * y, F = x.F * y, G = x.G * y, H = x.H * y,
    };

    public static Float32x8 operator +(Float32x8 x, float y) => new()
    {
        A = x.A + y, B = x.B + y, C = x.C + y, D = x.D + y,
        E = x.E + y, F = x.F + y, G = x.G + y, H = x.H + y,
    };

    public static float Sum(Float32x8 x) => ((x.A + x.B) + (x.C + x.D)) + ((x.E + x.F) + (x.G + x.H));

    public static float Max(Float32x8 x)
    {
        float a = x.A > x.B ? x.A : x.B, b = x.C > x.D ? x.C : x.D, c = x.E > x.F ? x.E : x.F, d = x.G > x.H ? x.G : x.H;
        a = a > b ? a : b;
        c = c > d ? c : d;
        return a > c ? a : c;
    }
}

/// <summary>Eight neighbouring elements in memory, which are loaded and stored as one vector.</summary>
internal interface IVector8<TSelf> where TSelf : unmanaged, IVector8<TSelf>
{
    static abstract Float32x8 ToFloat(TSelf stored);
}

/// <summary>Eight float32 in memory: 32 bytes, in two loads of 16.</summary>
internal struct Float4x2 : IVector8<Float4x2>
{
    public Float4 Low, High;

    public static Float32x8 ToFloat(Float4x2 stored) => new()
    {
        A = stored.Low.X, B = stored.Low.Y, C = stored.Low.Z, D = stored.Low.W,
        E = stored.High.X, F = stored.High.Y, G = stored.High.Z, H = stored.High.W,
    };

    public static Float4x2 FromFloat(Float32x8 x) => new()
    {
        Low = new Float4 { X = x.A, Y = x.B, Z = x.C, W = x.D },
        High = new Float4 { X = x.E, Y = x.F, Z = x.G, W = x.H },
    };
}

/// <summary>Eight bfloat16 in memory: 16 bytes, the widest load of a thread.</summary>
internal struct Bf16x8 : IVector8<Bf16x8>
{
    public uint AB, CD, EF, GH;

    public static Float32x8 ToFloat(Bf16x8 stored) => new()
    {
        A = Low(stored.AB), B = High(stored.AB), C = Low(stored.CD), D = High(stored.CD),
        E = Low(stored.EF), F = High(stored.EF), G = Low(stored.GH), H = High(stored.GH),
    };

    /// <summary>Rounds to nearest even.</summary>
    public static Bf16x8 FromFloat(Float32x8 x) =>
        new() { AB = Pair(x.A, x.B), CD = Pair(x.C, x.D), EF = Pair(x.E, x.F), GH = Pair(x.G, x.H) };

    private static float Low(uint pair) => Interop.IntAsFloat(pair << 16);

    private static float High(uint pair) => Interop.IntAsFloat(pair & 0xFFFF0000u);

    private static uint Pair(float low, float high) => BFloat16.FromFloat(low).Bits | ((uint)BFloat16.FromFloat(high).Bits << 16);
}

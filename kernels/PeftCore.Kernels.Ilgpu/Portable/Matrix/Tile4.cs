namespace PeftCore.Kernels.Ilgpu.Portable.Matrix;

/// <summary>Four floats with one load or store of 16 bytes.</summary>
internal struct Float4
{
    public float X, Y, Z, W;

    public static Float4 MultiplyAdd(Float4 c, float a, Float4 b)
    {
        c.X += a * b.X;
        c.Y += a * b.Y;
        c.Z += a * b.Z;
        c.W += a * b.W;
        return c;
    }

    public static Float4 Scale(Float4 x, float factor)
    {
        x.X *= factor;
        x.Y *= factor;
        x.Z *= factor;
        x.W *= factor;
        return x;
    }
}

/// <summary>The 4 × 4 elements one thread computes. Named fields stay in registers; an indexed array would be in local memory.</summary>
internal struct Tile4
{
    public Float4 R0, R1, R2, R3;

    /// <summary>c + a·bᵀ.</summary>
    public static Tile4 MultiplyAdd(Tile4 c, Float4 a, Float4 b)
    {
        c.R0 = Float4.MultiplyAdd(c.R0, a.X, b);
        c.R1 = Float4.MultiplyAdd(c.R1, a.Y, b);
        c.R2 = Float4.MultiplyAdd(c.R2, a.Z, b);
        c.R3 = Float4.MultiplyAdd(c.R3, a.W, b);
        return c;
    }

    /// <summary>Row i times factor i.</summary>
    public static Tile4 ScaleRows(Tile4 c, Float4 factors)
    {
        c.R0 = Float4.Scale(c.R0, factors.X);
        c.R1 = Float4.Scale(c.R1, factors.Y);
        c.R2 = Float4.Scale(c.R2, factors.Z);
        c.R3 = Float4.Scale(c.R3, factors.W);
        return c;
    }
}

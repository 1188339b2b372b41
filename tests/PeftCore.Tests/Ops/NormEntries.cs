using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of norms and softmax.</summary>
internal static class NormEntries
{
    private const float Epsilon = 1e-3f;

    public static IEnumerable<OpEntry> All()
    {
        yield return RmsNorm("rms norm", 0, DType.F32);
        yield return RmsNorm("rms norm, weight stored as w - 1", 1, DType.F32);
        yield return RmsNorm("rms norm, BF16 weight", 0, DType.BF16);
        yield return LayerNorm("layer norm", bias: true, DType.F32);
        yield return LayerNorm("layer norm without bias", bias: false, DType.F32);
        yield return LayerNorm("layer norm, F16 weight and bias", bias: true, DType.F16);
        yield return new OpEntry("softmax", ["y: x"], size =>
        {
            var shape = size.Pick<Shape>([1], [3, 5], [4, 4], [40, 131], [0, 3]);
            return new OpSample([OpInput.Of("x", [.. shape])], t => t[0].Softmax(), v => Naive.Softmax(v[0], shape.Columns));
        });
        // There and back, with values that BF16 holds; the gradient between the two is rounded.
        yield return new OpEntry("cast", [], size =>
        {
            var shape = size.Pick<Shape>([1], [3, 5], [4, 4], [40, 131], [0, 3]);
            return new OpSample([OpInput.Mapped("x", x => MathF.Round(16 * x) / 16, [.. shape])], t => t[0].Cast(DType.BF16)
                .Cast(DType.F32), v => v[0]);
        })
        { Tolerance = 5e-3 };
    }

    private static OpEntry RmsNorm(string name, float offset, DType dtype) => new(name, ["x: *", "rstd: *"], size =>
    {
        var shape = NormShape(size);
        return new OpSample([OpInput.Of("x", [.. shape]), OpInput.Frozen("weight", dtype, shape.Columns)],
            t => t[0].RmsNorm(t[1], Epsilon, offset),
            v => Naive.RmsNorm(v[0], v[1], Epsilon, offset));
    })
    { Tolerance = 5e-5 };

    private static OpEntry LayerNorm(string name, bool bias, DType dtype) =>
        new(name, ["x: x weight", "mean: x weight", "rstd: x weight"], size =>
    {
        var shape = NormShape(size);
        OpInput[] given = [OpInput.Of("x", [.. shape]), OpInput.Frozen("weight", dtype, shape.Columns), .. bias
            ? [OpInput.Frozen("bias", dtype, shape.Columns)] : (OpInput[])[]];
        return new OpSample(given, t => t[0].LayerNorm(t[1], bias ? t[2] : null, Epsilon),
            v => Naive.LayerNorm(v[0], v[1], bias ? v[2] : null, Epsilon));
    })
        { Tolerance = 5e-5 };

    /// <summary>In <see cref="Size.Same"/> x is a single row, so that it can be its own weight.</summary>
    private static Shape NormShape(Size size) => size.Pick<Shape>([1, 1], [2, 3, 5], [6], [530, 11], [0, 3]);
}

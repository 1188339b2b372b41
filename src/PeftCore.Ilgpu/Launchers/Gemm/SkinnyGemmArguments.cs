using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu;

/// <summary>Fills in the numbered fields of <see cref="SkinnyGemmArgs"/> and <see cref="SkinnyGemmReductionArgs"/>, one set for each
/// matrix.</summary>
internal static class SkinnyGemmArguments
{
    /// <summary>Sets the columns of each matrix, and its first strip.</summary>
    public static void SetWidths(ref SkinnyGemmArgs args, ReadOnlySpan<int> widths, ReadOnlySpan<int> starts)
    {
        (args.N0, args.N1, args.N2, args.N3) = (widths[0], widths[1], widths[2], widths[3]);
        (args.Start1, args.Start2, args.Start3) = (starts[1], starts[2], starts[3]);
    }

    public static void SetWidths(ref SkinnyGemmReductionArgs reduction, in SkinnyGemmArgs args)
    {
        (reduction.N0, reduction.N1, reduction.N2, reduction.N3) = (args.N0, args.N1, args.N2, args.N3);
        (reduction.Start1, reduction.Start2, reduction.Start3, reduction.Strips) = (args.Start1, args.Start2, args.Start3, args.Strips);
    }

    public static void SetOperands(ref SkinnyGemmArgs args, int index, nint x, nint right, nint left)
    {
        switch (index)
        {
            case 0: (args.X0, args.Right0, args.Left0) = (x, right, left); break;
            case 1: (args.X1, args.Right1, args.Left1) = (x, right, left); break;
            case 2: (args.X2, args.Right2, args.Left2) = (x, right, left); break;
            default: (args.X3, args.Right3, args.Left3) = (x, right, left); break;
        }
    }

    public static void SetResults(ref SkinnyGemmReductionArgs reduction, int index, ArrayView<ulong> right, ArrayView<float> left,
        float alpha)
    {
        switch (index)
        {
            case 0: (reduction.RightProduct0, reduction.LeftProduct0, reduction.Alpha0) = (right, left, alpha); break;
            case 1: (reduction.RightProduct1, reduction.LeftProduct1, reduction.Alpha1) = (right, left, alpha); break;
            case 2: (reduction.RightProduct2, reduction.LeftProduct2, reduction.Alpha2) = (right, left, alpha); break;
            default: (reduction.RightProduct3, reduction.LeftProduct3, reduction.Alpha3) = (right, left, alpha); break;
        }
    }
}

using ILGPU;
using PeftCore.Kernels.Ilgpu.Hopper.SkinnyGemm;

namespace PeftCore.Ilgpu;

/// <summary>Fills in what a pass over tall matrices says of each.</summary>
internal static class SkinnyGemmLaunch
{
    /// <summary>Columns of each matrix, and where its strips start.</summary>
    public static void Widths(ref SkinnyGemmArgs args, ReadOnlySpan<int> widths, ReadOnlySpan<int> starts)
    {
        (args.N0, args.N1, args.N2, args.N3) = (widths[0], widths[1], widths[2], widths[3]);
        (args.Start1, args.Start2, args.Start3) = (starts[1], starts[2], starts[3]);
    }

    public static void Widths(ref SkinnyGemmReductionArgs sums, in SkinnyGemmArgs args)
    {
        (sums.N0, sums.N1, sums.N2, sums.N3) = (args.N0, args.N1, args.N2, args.N3);
        (sums.Start1, sums.Start2, sums.Start3, sums.Strips) = (args.Start1, args.Start2, args.Start3, args.Strips);
    }

    public static void Matrices(ref SkinnyGemmArgs args, int index, nint x, nint right, nint left)
    {
        switch (index)
        {
            case 0: (args.X0, args.Right0, args.Left0) = (x, right, left); break;
            case 1: (args.X1, args.Right1, args.Left1) = (x, right, left); break;
            case 2: (args.X2, args.Right2, args.Left2) = (x, right, left); break;
            default: (args.X3, args.Right3, args.Left3) = (x, right, left); break;
        }
    }

    public static void Results(ref SkinnyGemmReductionArgs sums, int index, ArrayView<ulong> low, ArrayView<float> across, float alpha)
    {
        switch (index)
        {
            case 0: (sums.Low0, sums.Across0, sums.Alpha0) = (low, across, alpha); break;
            case 1: (sums.Low1, sums.Across1, sums.Alpha1) = (low, across, alpha); break;
            case 2: (sums.Low2, sums.Across2, sums.Alpha2) = (low, across, alpha); break;
            default: (sums.Low3, sums.Across3, sums.Alpha3) = (low, across, alpha); break;
        }
    }
}

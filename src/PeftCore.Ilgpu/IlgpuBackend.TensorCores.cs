using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>Sends a product to the tensor cores, its F32 operands rounded to BF16 first. False where that is not asked for or cannot be.</summary>
    private bool TryTensorCores(in Product p)
    {
        if (_options.ComputeDType != DType.BF16 || _device.TensorCores is null || p.A.DType == DType.F16 || p.B.DType == DType.F16)
        {
            return false;
        }
        int m = p.C.Shape.Rows, n = p.C.Shape.Columns, k = p.TransposeA ? p.A.Shape.Rows : p.A.Shape.Columns;
        if (TensorPlan.For(m, n, k, p.TransposeA, p.TransposeB, _device.Accelerator.NumMultiprocessors) is not { } plan ||
            Address(p.A) % 16 != 0 || Address(p.B) % 16 != 0 || Address(p.C) % 8 != 0)
        {
            return false;
        }
        var args = new WgmmaArgs
        {
            A = InBf16(p.A),
            B = InBf16(p.B),
            StrideA = 2L * (p.TransposeA ? m : k),
            StrideB = 2L * (p.TransposeB ? k : n),
            M = m,
            N = n,
            K = k,
            TilesM = plan.TilesM,
            TilesN = plan.TilesN,
            KPart = plan.KPart,
            Alpha = p.Alpha,
        };
        if (plan.Parts == 1)
        {
            (args.C, args.Accumulate) = (Address(p.C), Flag(p.Accumulate));
            Launch(plan, p.TransposeA, !p.TransposeB, args);
            Written(p.C);
            return true;
        }
        using var parts = new Scratch(this, (long)plan.Parts * m * n);
        args.C = parts.Address;
        Launch(plan, p.TransposeA, !p.TransposeB, args);
        _device.ForEach<SumParts, SumPartsArgs>((long)m * n,
            new SumPartsArgs { Parts = parts.View, C = F32(p.C), Count = plan.Parts, Accumulate = Flag(p.Accumulate) });
        Written(p.C);
        return true;
    }

    private void Written(Tensor product)
    {
        _rounded.Forget(Address(product), product.ByteCount);
        _rounded.Trim();
    }

    private void Launch(in TensorPlan plan, bool transposeA, bool acrossB, in WgmmaArgs args)
    {
        int groups = plan.TilesM * plan.TilesN;
        switch (plan.TileN, transposeA, acrossB)
        {
            case (256, false, false): Launch<Wgmma256>(groups, plan.Parts, args); break;
            case (256, false, true): Launch<Wgmma256AcrossB>(groups, plan.Parts, args); break;
            case (256, true, false): Launch<Wgmma256TransposedA>(groups, plan.Parts, args); break;
            case (256, true, true): Launch<Wgmma256TransposedAAcrossB>(groups, plan.Parts, args); break;
            case (_, false, false): Launch<Wgmma128>(groups, plan.Parts, args); break;
            case (_, false, true): Launch<Wgmma128AcrossB>(groups, plan.Parts, args); break;
            case (_, true, false): Launch<Wgmma128TransposedA>(groups, plan.Parts, args); break;
            default: Launch<Wgmma128TransposedAAcrossB>(groups, plan.Parts, args); break;
        }
    }

    private void Launch<TShape>(int groups, int parts, in WgmmaArgs args) where TShape : struct, IWgmmaShape =>
        _device.RunTensorCores<WgmmaGemm<TShape>, WgmmaArgs, WgmmaArgs>(groups, parts, LaunchShape.Product(TShape.TileN), args);

    private nint InBf16(Tensor tensor) => tensor.DType == DType.F32 ? _rounded.Of(tensor, Address(tensor)) : Address(tensor);
}

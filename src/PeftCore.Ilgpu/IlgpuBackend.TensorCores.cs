using PeftCore.Backends;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    /// <summary>One summand of a result: op(A)·op(B).</summary>
    internal readonly record struct Summand(Tensor A, bool TransposeA, Tensor B, bool TransposeB);

    private bool TryTensorCores(in Product p) => TryProducts([new Summand(p.A, p.TransposeA, p.B, p.TransposeB)], p.C, p.Alpha, p.Accumulate, null);

    /// <summary>c (+)= α·Σ op(Aᵢ)·op(Bᵢ) + bias on the tensor cores, operands in F32 rounded to BF16 first; c is F32 or BF16. False, with nothing done,
    /// where that is not asked for or cannot be.</summary>
    internal bool TryProducts(ReadOnlySpan<Summand> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        foreach (var term in terms)
        {
            if (PlanFor(term, c) is null)
            {
                return false;
            }
        }
        if (c.DType == DType.BF16)
        {
            using var wide = this.NewTensor(c.Shape);
            if (accumulate)
            {
                Cast(c, wide);
            }
            Sum(terms, wide, alpha, accumulate, bias);
            Cast(wide, c);
        }
        else
        {
            Sum(terms, c, alpha, accumulate, bias);
        }
        return true;
    }

    private void Sum(ReadOnlySpan<Summand> terms, Tensor c, float alpha, bool accumulate, Tensor? bias)
    {
        foreach (var term in terms)
        {
            Multiply(term, PlanFor(term, c)!.Value, c, alpha, accumulate);
            accumulate = true;
        }
        if (bias is not null)
        {
            AddRow(c, bias);
        }
    }

    private TensorPlan? PlanFor(in Summand term, Tensor c)
    {
        if (_options.ComputeDType != DType.BF16 || _device.TensorCores is null || c.DType == DType.F16 ||
            term.A.DType == DType.F16 || term.B.DType == DType.F16 || Address(term.A) % 16 != 0 || Address(term.B) % 16 != 0 || Address(c) % 8 != 0)
        {
            return null;
        }
        int k = term.TransposeA ? term.A.Shape.Rows : term.A.Shape.Columns;
        return TensorPlan.For(c.Shape.Rows, c.Shape.Columns, k, term.TransposeA, term.TransposeB, _device.Accelerator.NumMultiprocessors);
    }

    private void Multiply(in Summand term, in TensorPlan plan, Tensor c, float alpha, bool accumulate)
    {
        int m = c.Shape.Rows, n = c.Shape.Columns, k = term.TransposeA ? term.A.Shape.Rows : term.A.Shape.Columns;
        var args = new WgmmaArgs
        {
            A = InBf16(term.A),
            B = InBf16(term.B),
            StrideA = 2L * (term.TransposeA ? m : k),
            StrideB = 2L * (term.TransposeB ? k : n),
            M = m,
            N = n,
            K = k,
            TilesM = plan.TilesM,
            TilesN = plan.TilesN,
            KPart = plan.KPart,
            Alpha = alpha,
        };
        if (plan.Parts == 1)
        {
            (args.C, args.Accumulate) = (Address(c), Flag(accumulate));
            Launch(plan, term.TransposeA, !term.TransposeB, args);
            Queued(c);
            return;
        }
        using var parts = new Scratch(this, (long)plan.Parts * m * n);
        args.C = parts.Address;
        Launch(plan, term.TransposeA, !term.TransposeB, args);
        _device.ForEach<SumParts, SumPartsArgs>((long)m * n,
            new SumPartsArgs { Parts = parts.View, C = F32(c), Count = plan.Parts, Accumulate = Flag(accumulate) });
        Queued(c);
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

    private nint InBf16(Tensor tensor) => tensor.DType == DType.F32 ? _rounded.Of(tensor) : Address(tensor);
}

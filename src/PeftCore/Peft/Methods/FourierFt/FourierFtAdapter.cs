using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.FourierFt;

/// <summary>FourierFT (Gao et al. 2024) on one linear layer: ΔW = α·Re(ifft2(F)). n entries c of the spectrum F train, the others are zero.
/// Re(ifft2) is a sum of cosines, so ΔW = s·B·diag(c, c)·A with the frozen A and B of <see cref="FourierBasis"/>: a low-rank update of rank
/// 2n, and ΔW is never formed.</summary>
internal sealed class FourierFtAdapter : LowRankAdapter
{
    private readonly FourierBasis _basis;
    private readonly Parameter _spectrum;
    private readonly float _scale;

    public FourierFtAdapter(AttachContext context, FourierFtConfig config, string path, Linear layer, FourierBasis basis, ulong site)
        : base(layer, default)
    {
        _basis = basis;
        _scale = Hyperparameters.Scale("scaling", path, config.Scaling / ((double)layer.Inputs * layer.Outputs));
        _spectrum = context.NewParameter([basis.A.Shape[0] / 2]);
        _ = config.InitWeights ? _spectrum.Zero() : _spectrum.Normal(0, 1, context.Seed, site);
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "fourierft_spectrum.{0}", "fourierft_spectrum", _spectrum)];

    protected override LowRankUpdate Update(DropoutKey dropout) =>
        new(_basis.A, _basis.B, _scale, Diagonal: Tensor.Concat(_spectrum.Value, _spectrum.Value));
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Numerics;
using PeftCore.Tensors;

namespace PeftCore.Peft.Vera;

/// <summary>VeRA on one linear layer (Kopiczko et al. 2023, equation 2): y = x·Wᵀ + bias + b∘(((x·Aᵀ)∘d)·Bᵀ). A (r, in) and B (out, r) are
/// random, frozen and shared by all layers; only the vectors b (out) and d (r) train. <see cref="LowRankLinearOp"/> computes y and the
/// gradients with b∘B as B, so that b multiplies a small matrix and not the output, which backward would have to save.</summary>
internal sealed class VeraAdapter : LowRankAdapter
{
    private readonly VeraProjections _shared;
    private readonly Parameter _b;
    private readonly Parameter _d;

    public VeraAdapter(AttachContext context, VeraConfig config, Linear layer, VeraProjections shared, ulong site)
        : base(layer, new LayerDropout(layer, (float)config.Dropout, site))
    {
        _shared = shared;
        _b = context.NewParameter([layer.Outputs]).Fill(config.InitWeights ? 0 : 1);
        _d = context.NewParameter([config.Rank]);
        _ = config.InitWeights ? _d.Fill((float)config.InitialD) : _d.Normal(0, 1, context.Seed, site);
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "vera_lambda_b.{0}", "vera_lambda_b", _b), new("", "vera_lambda_d.{0}", "vera_lambda_d", _d)];

    protected override LowRankUpdate Update(DropoutKey dropout) =>
        new(_shared.A(Layer.Inputs), _shared.B(Layer.Outputs).MultiplyColumn(_b.Value), 1, Dropout: dropout, Diagonal: _d.Value);
}

/// <summary>The random A and B that all layers share, as large as the largest layer needs; each layer uses the first columns of A and rows
/// of B.</summary>
internal sealed class VeraProjections
{
    private readonly Tensor _a;
    private readonly Tensor _b;

    public VeraProjections(AttachContext context, VeraConfig config, IReadOnlyList<(string Path, Linear Layer)> targets)
    {
        int inputs = targets.Max(target => target.Layer.Inputs), outputs = targets.Max(target => target.Layer.Outputs), r = config.Rank;
        context.RefuseMoreThanStored(r); // Each layer stores d, which has r elements.
        if (context.Backend.IsMeta)
        {
            (_a, _b) = (context.NewConstant([r, inputs]), context.NewConstant([outputs, r]));
        }
        else
        {
            var random = new TorchRandom((ulong)config.ProjectionKey);
            _a = context.NewConstant(Kaiming(random, r, inputs), [r, inputs]);
            _b = context.NewConstant(Kaiming(random, outputs, r), [outputs, r]);
        }
        if (SharedProjections.AreSaved(context, config.SaveProjection, "vera_A"))
        {
            context.Adapter.Constants.Add((AdapterParameter.ModelPrefix + "vera_A", _a, Optional: false));
            context.Adapter.Constants.Add((AdapterParameter.ModelPrefix + "vera_B", _b, Optional: false));
        }
    }

    /// <summary>(r, in)</summary>
    public Tensor A(int inputs) => inputs == _a.Shape[1] ? _a : _a.Columns(0, inputs);

    /// <summary>(out, r)</summary>
    public Tensor B(int outputs) => _b.Slice(0, outputs);

    /// <summary>Uniform in ±√(6/fan_in) (He et al. 2015), rounded as in PyTorch.</summary>
    private static float[] Kaiming(TorchRandom random, int rows, int columns)
    {
        double bound = Math.Sqrt(3) * (Math.Sqrt(2) / Math.Sqrt(columns));
        return random.Uniform(rows * columns, (float)-bound, (float)bound);
    }
}

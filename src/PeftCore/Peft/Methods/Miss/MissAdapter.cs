using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Miss;

/// <summary>MiSS (Kang and Yin 2024) on one linear layer: y = x·Wᵀ + b + (Σₖ xₖ)·D, where x is cut into pieces xₖ of r columns and D (r,
/// out) trains. ΔW thus repeats Dᵀ in each piece. Backward saves r numbers per token, not x.</summary>
internal sealed class MissAdapter : DeltaAdapter
{
    private readonly Tensor _pieces;
    private readonly Parameter _block;
    private readonly Tensor? _repeat;
    private readonly LayerDropout _dropout;

    public MissAdapter(AttachContext context, MissConfig config, string path, Linear layer, Tensor pieces, ulong site) : base(layer)
    {
        _pieces = pieces;
        _dropout = new LayerDropout(layer, (float)config.Dropout, site);
        if (config.Form == MissForm.Mini)
        {
            Hyperparameters.Divides("mini_r", config.MiniRank, path, "outputs", layer.Outputs);
        }
        _block = context.NewParameter([config.Rank, config.Form == MissForm.Mini ? config.MiniRank : layer.Outputs]);
        _repeat = _block.Shape[1] == layer.Outputs ? null : context.NewConstant(Repeat(_block.Shape[1], layer.Outputs),
            [_block.Shape[1], layer.Outputs]);
        _ = config.Form == MissForm.Random ? _block.Kaiming(context.Seed, site) : _block.Zero();
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "miss_block.{0}", "miss_block", _block)];

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var sums = x.Dropout(_dropout.Now).Linear(_pieces); // (…, r)
        return sums.Linear(Whole(), transposed: true);
    }

    /// <summary>D (r, out). In the form "mini" the parameter is (r, mini_r), and D repeats its columns.</summary>
    private Tensor Whole() => _repeat is null ? _block.Value : _block.Value.MatMul(_repeat);

    /// <summary>The matrix (columns, outputs) of zeros and ones that repeats <paramref name="columns"/> columns up to
    /// <paramref name="outputs"/>.</summary>
    private static float[] Repeat(int columns, int outputs)
    {
        float[] repeat = new float[columns * outputs];
        for (int o = 0; o < outputs; o++)
        {
            repeat[o % columns * outputs + o] = 1;
        }
        return repeat;
    }
}

using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Miss;

/// <summary>MiSS on one linear layer: the input is cut into pieces of r numbers, their sum goes through one matrix D (r, out): y += (Σ pieces of x)·D. Keeps r numbers a
/// token for backward.</summary>
internal sealed class MissAdapter : DeltaAdapter
{
    private readonly Tensor _pieces;
    private readonly Parameter _block;
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
        _ = config.Form == MissForm.Random ? _block.Kaiming(context.Seed, site) : _block.Zero();
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "miss_block.{0}", "miss_block", _block)];

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var sums = x.Dropout(_dropout.Now).Linear(_pieces); // (…, r)
        return sums.Linear(Whole(), transposed: true);
    }

    /// <summary>D (r, out), repeated where the parameter is shorter.</summary>
    private Tensor Whole()
    {
        int columns = _block.Shape[1];
        if (columns == Layer.Outputs)
        {
            return _block.Value;
        }
        var repeat = new float[columns * Layer.Outputs];
        for (int o = 0; o < Layer.Outputs; o++)
        {
            repeat[o % columns * Layer.Outputs + o] = 1;
        }
        return _block.Value.MatMul(_block.Value.Backend.From(repeat, [columns, Layer.Outputs]));
    }
}

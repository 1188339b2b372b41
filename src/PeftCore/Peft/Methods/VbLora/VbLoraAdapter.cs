using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;

namespace PeftCore.Peft.VbLora;

/// <summary>VB-LoRA (Li et al. 2024) on one linear layer: ΔW = B·A, with A (r, in) and B (out, r) made of pieces of b numbers. Each piece
/// is softmax(its k largest logits)·(those k vectors of a bank (h, b) that all layers share). Logits and bank train.</summary>
internal sealed class VbLoraAdapter : LowRankAdapter
{
    private readonly VbLoraConfig _config;
    private readonly Parameter _bank;
    private readonly Parameter _logitsA;
    private readonly Parameter _logitsB;

    public VbLoraAdapter(AttachContext context, VbLoraConfig config, string path, Linear layer, Parameter bank, ulong site)
        : base(layer, new LayerDropout(layer, (float)config.Dropout, site))
    {
        (_config, _bank) = (config, bank);
        Hyperparameters.Divides("vector_length", config.VectorLength, path, "inputs", layer.Inputs);
        Hyperparameters.Divides("vector_length", config.VectorLength, path, "outputs", layer.Outputs);
        _logitsA = context.NewParameter([config.Rank, layer.Inputs / config.VectorLength, config.Vectors], config.SaveOnlyTopK)
            .Normal(0, (float)config.LogitsDeviation, context.Seed, 2 * site);
        _logitsB = context.NewParameter([layer.Outputs / config.VectorLength, config.Rank, config.Vectors], config.SaveOnlyTopK)
            .Normal(0, (float)config.LogitsDeviation, context.Seed, 2 * site + 1);
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "vblora_logits_A.{0}", "vblora_logits_A", _logitsA), new("", "vblora_logits_B.{0}", "vblora_logits_B", _logitsB)];

    public override IEnumerable<SavedEntry> Entries(string path) => !_config.SaveOnlyTopK ? base.Entries(path)
        : Parameters.SelectMany(parameter => new TopKLogits(parameter.Parameter, _config.TopK).Entries(parameter with { Path = path }));

    protected override LowRankUpdate Update(DropoutKey dropout)
    {
        int r = _config.Rank, b = _config.VectorLength, h = _config.Vectors, pieces = Layer.Outputs / b;
        var a = _logitsA.Value.TopKSoftmax(_config.TopK).MatMul(_bank.Value).Reshape([r, Layer.Inputs]);
        // The pieces of B are parts of its columns, so each product is written transposed.
        var columns = new BatchedProduct(pieces, r, h, b, new(r * h, h, 1), new(0, b, 1), new(b * r, 1, r));
        var whole = _logitsB.Value.TopKSoftmax(_config.TopK).MatMulBatched(_bank.Value, columns, [Layer.Outputs, r]);
        return new LowRankUpdate(a, whole, 1, Dropout: dropout);
    }
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Miss;

/// <summary>Bat, the form of MiSS that depends on the weight: the weight is cut into blocks of r × r, and each block W of a row of blocks
/// becomes W + W·D + D with that row's D.</summary>
internal sealed class BatAdapter : DeltaAdapter
{
    private readonly Tensor _pieces;
    private readonly Parameter _blocks;

    public BatAdapter(AttachContext context, MissConfig config, string path, Linear layer, Tensor pieces) : base(layer)
    {
        if (layer.Transposed)
        {
            throw new BadInputException(
                $"init_weights is bat, which needs weights stored (out, in); \"{path}\" stores (in, out); choose true or mini");
        }
        _pieces = pieces;
        int r = config.Rank;
        Hyperparameters.Divides("r", r, path, "inputs", layer.Inputs);
        Hyperparameters.Divides("r", r, path, "outputs", layer.Outputs);
        _blocks = context.NewParameter([layer.Outputs / r, r, r]).Zero();
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "miss_block.{0}", "miss_block", _blocks)];

    protected override bool DependsOnWeight => true;

    protected override Tensor Delta(Tensor x, Tensor weight) => x.BlockAffineLinear(weight, _blocks.Value, _pieces);
}

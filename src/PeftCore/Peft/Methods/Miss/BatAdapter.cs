using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Miss;

/// <summary>Bat, the form of MiSS (Kang and Yin 2024) that depends on the weight. W is cut into blocks of (r, r); the blocks Wᵢₖ of block
/// row i become Wᵢₖ + Wᵢₖ·Dᵢ + Dᵢ, where D (out/r, r, r) trains and is zero at the start.</summary>
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
        layer.Weight.RefuseIfQuantized("multiply with blocks, as init_weights bat does", path);
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

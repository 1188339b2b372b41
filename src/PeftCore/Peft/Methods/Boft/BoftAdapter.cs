using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Peft.Oft;
using PeftCore.Tensors;

namespace PeftCore.Peft.Boft;

/// <summary>BOFT (Liu et al. 2023) on one linear layer: y = s∘((x·R)·Wᵀ) + b with R = Πᵢ Pᵢᵀ·Bᵢ·Pᵢ. Bᵢ is block-diagonal, its (b, b) blocks
/// are orthogonal by <see cref="Cayley"/>'s transform of ½·(D − Dᵀ); Pᵢ is the permutation of level i of a butterfly network
/// (<see cref="ButterflyPermutation"/>), so that few parameters mix all coordinates. D and the magnitudes s train.</summary>
internal sealed class BoftAdapter : DeltaAdapter
{
    private readonly Parameter _rotations;
    private readonly Parameter _magnitudes;
    private readonly BlockDropout _dropout;

    public BoftAdapter(AttachContext context, BoftConfig config, string path, Linear layer, ulong site) : base(layer)
    {
        int size = config.BlockSize, count = config.BlockCount;
        Hyperparameters.Divides(size != 0 ? "boft_block_size" : "boft_block_num", size != 0 ? size : count, path, "inputs", layer.Inputs);
        (size, count) = size != 0 ? (size, layer.Inputs / size) : (layer.Inputs / count, count);
        // Without its CUDA extension Hugging Face PEFT creates one factor, whatever the configuration says: the stored shape gives the
        // number.
        long[]? stored = context.StoredShape(AdapterParameter.Prefix + path + ".boft_R");
        int factors = stored is { Length: 4 } ? (int)Math.Min(stored[0], config.ButterflyFactors) : config.ButterflyFactors;
        if (factors > 1 && (size % 2 != 0 || count % (1 << (factors - 1)) != 0))
        {
            throw new BadInputException(
                $"boft_n_butterfly_factor is {factors}, which \"{path}\" with {count} blocks of {size} cannot have: it needs an even " +
                $"size and a number of blocks that {1 << (factors - 1)} divides");
        }
        _dropout = new BlockDropout(layer, config.Dropout, site);
        _rotations = context.NewParameter([factors, count, size, size]);
        _magnitudes = context.NewParameter([layer.Outputs, 1]);
        if (config.InitWeights)
        {
            _rotations.Zero();
            _magnitudes.Fill(1);
        }
        else
        {
            _rotations.Normal(0, 0.1f, context.Seed, 2 * site);
            _magnitudes.Normal(1, 0.1f, context.Seed, 2 * site + 1);
        }
    }

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("", "boft_R.{0}", "boft_R", _rotations), new("", "boft_s.{0}", "boft_s", _magnitudes)];

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        var y = Rotated(x, Layer.Weight.Value);
        return scope.Return(Layer.Bias is { } bias ? y.AddRow(bias.Value) : y);
    }

    protected override bool DependsOnWeight => true;

    protected override Tensor Delta(Tensor x, Tensor weight) => Rotated(x, weight) - x.Linear(weight, null, Layer.Transposed);

    private Tensor Rotated(Tensor x, Tensor weight) =>
        Rotate(x).Linear(weight, null, Layer.Transposed).MultiplyRow(_magnitudes.Value.Reshape([Layer.Outputs]));

    private Tensor Rotate(Tensor x)
    {
        int factors = _rotations.Shape[0], count = _rotations.Shape[1];
        using var scope = new TensorScope();
        var blocks = Blocks();
        if (factors == 1)
        {
            return scope.Return(x.MultiplyBlocks(blocks));
        }
        // R = R_last·…·R_0, and x multiplies from the left: the last factor comes first.
        for (int i = factors - 1; i >= 0; i--)
        {
            var permutation = new ButterflyPermutation(Layer.Inputs, count >> i, _rotations.Shape[2] / 2);
            using var level = new TensorScope();
            x = level.Return(permutation.Apply(permutation.Invert(x).MultiplyBlocks(blocks.Slice(i * count, count))));
        }
        return scope.Return(x);
    }

    /// <summary>All rotations, (factors·blocks, b, b).</summary>
    private Tensor Blocks()
    {
        using var scope = new TensorScope();
        var shape = _rotations.Shape;
        return scope.Return(_dropout.Apply(Cayley.Exact(Skew(_rotations.Value.Reshape([shape[0] * shape[1], shape[2], shape[3]])))));
    }

    /// <summary>½·(D − Dᵀ), matrix by matrix.</summary>
    private static Tensor Skew(Tensor d)
    {
        int n = d.Shape[0], side = d.Shape[1];
        var plain = new MatrixStrides(side * side, side, 1);
        var transposed = new BatchedProduct(n, side, side, side, plain.Transposed, new(0, side, 1), plain, -0.5f);
        return d * 0.5f + d.MatMulBatched(Constants.Identity(d.Backend, side), transposed, d.Shape);
    }
}

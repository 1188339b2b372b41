using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.C3a;

/// <summary>C³A (Chen et al. 2024, circular convolution adaptation) on one linear layer: ΔW = C/in with C made of circulant (b, b) blocks,
/// each given by one trained kernel of b numbers: parameters in·out/b, rank up to full.</summary>
internal sealed class C3aAdapter : DeltaAdapter
{
    private readonly Parameter _kernels;
    private readonly bool _mirrored;

    public C3aAdapter(AttachContext context, C3aConfig config, string path, Linear layer, ulong site) : base(layer)
    {
        int b = TargetMatching.Lookup(config.BlockSizePattern, path, config.BlockSize, "block_size_pattern");
        Hyperparameters.Divides("block_size", b, path, "inputs", layer.Inputs);
        Hyperparameters.Divides("block_size", b, path, "outputs", layer.Outputs);
        _mirrored = context.LikeReference;
        _kernels = context.NewParameter([layer.Outputs / b, layer.Inputs / b, b]);
        _ = config.Init switch
        {
            C3aInit.Zero => _kernels.Zero(),
            C3aInit.Gaussian => _kernels.Normal(0, 1, context.Seed, site),
            C3aInit.KaimingUniform => _kernels.Uniform(MathF.Sqrt(1f / layer.Inputs), context.Seed, site),
            _ => _kernels.Uniform(MathF.Sqrt(6f / (layer.Inputs + layer.Outputs)), context.Seed, site),
        };
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "c3a_kernel.{0}", "c3a_kernel", _kernels)];

    protected override Tensor Delta(Tensor x, Tensor weight) => x.CirculantLinear(_kernels.Value, 1f / Layer.Inputs, _mirrored);
}

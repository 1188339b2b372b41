using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Hra;

/// <summary>HRA (Yuan et al. 2024) on one linear layer: W' = W·H₁·…·H_r with Householder reflections Hᵢ = I − 2·uᵢ·uᵢᵀ/‖uᵢ‖² and trained
/// directions U (in, r). Their product is I − U·T·Uᵀ with a triangular T (r, r), T⁻¹ = ½·diag(UᵀU) + the part of UᵀU above the diagonal
/// (Joffrain et al. 2006), so backward saves x and r numbers per token. With Gram-Schmidt the directions are orthogonal, and the product is
/// I − 2·U·(UᵀU)⁻¹·Uᵀ.</summary>
internal sealed class HraAdapter : RotationAdapter
{
    private readonly Parameter _u;
    private readonly Tensor _mask;
    private readonly bool _orthogonal;

    public HraAdapter(AttachContext context, HraConfig config, string path, Linear layer, ulong site) : base(layer)
    {
        int r = config.Rank;
        if (r > layer.Inputs)
        {
            throw new BadInputException($"r is {r}, but \"{path}\" has only {layer.Inputs} inputs to reflect; choose a smaller one");
        }
        _orthogonal = config.ApplyGramSchmidt;
        _u = context.NewParameter([layer.Inputs, r]);
        if (config.InitWeights && !_orthogonal && r % 2 == 0)
        {
            Pairs(context, site);
        }
        else
        {
            _u.Kaiming(context.Seed, site);
        }
        _mask = context.NewConstant([.. Enumerable.Range(0, r * r).Select(i => i % r == i / r ? 0.5f : i % r > i / r && !_orthogonal ? 1
            : _orthogonal ? 0.5f : 0)], [r, r]);
    }

    public override IEnumerable<AdapterParameter> Parameters => [new("", "hra_u.{0}", "hra_u", _u)];

    protected override Tensor Rotate(Tensor x)
    {
        var u = _u.Value; // (in, r)
        var t = (u.MatMul(u, transposeA: true) * _mask).Inverse();
        return x - x.Linear(u, transposed: true).Linear(u.MatMul(t));
    }

    /// <summary>Initialises the identity: each direction occurs twice in a row, and two equal reflections cancel.</summary>
    private void Pairs(AttachContext context, ulong site)
    {
        using var scope = new TensorScope();
        int half = _u.Shape[1] / 2;
        var directions = context.Backend.NewTensor([_u.Shape[0], half]);
        float bound = 1 / MathF.Sqrt(half);
        context.Backend.FillUniform(directions, -bound, bound, context.Seed, site);
        for (int i = 0; i < 2 * half; i++)
        {
            context.Backend.CopyColumns(directions, i / 2, _u.Value, i, 1, false);
        }
    }
}

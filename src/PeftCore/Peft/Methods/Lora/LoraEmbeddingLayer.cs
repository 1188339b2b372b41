using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>LoRA on an embedding: row t of the table becomes W[t] + s·A[:, t]·Bᵀ, with A (r, vocabulary) and B (dim, r). There is no
/// dropout, because the input is a token.</summary>
internal sealed class LoraEmbeddingLayer : LayerAdapter
{
    private readonly Embedding _layer;
    private readonly Dora? _dora;

    public override Tensor Forward(Tensor x)
    {
        using var scope = new TensorScope();
        var y = _layer.Compute(x) + Delta(x);
        return scope.Return(_dora is null ? y : y.MultiplyRow(_dora.Ratio([Update])));
    }

    private LowRankUpdate Update => new(A.Value, B.Value, Scale);

    /// <summary>s·A[:, t]·Bᵀ (…, dim) of each token t.</summary>
    private Tensor Delta(Tensor tokens)
    {
        var columns = A.Value.MatMul(Constants.Identity(A.Value.Backend, A.Shape[0]), transposeA: true); // Aᵀ (vocabulary, r)
        return (columns.Rows(tokens).Linear(B.Value) * Scale).Cast(columns.Backend.ActivationDType);
    }

    public override bool Merge(Tensor weight, Tensor? bias, Tensor? plain)
    {
        if (_dora is null)
        {
            AddDelta(weight);
        }
        else
        {
            _dora.Merge(weight, plain, AddDelta);
        }
        return false;
    }

    /// <summary>W (vocabulary, dim) += s·Aᵀ·Bᵀ.</summary>
    private void AddDelta(Tensor weight) => weight.Backend.MatMul(A.Value, true, B.Value, true, weight, Scale, accumulate: true);

    /// <summary>Creates the parameters of one embedding. A is zero, or normal with "init_lora_weights": false; B is normal.</summary>
    /// <param name="context">Creates the parameters and frees them if attaching fails.</param>
    /// <param name="config">The hyperparameters.</param>
    /// <param name="path">The embedding's path, which selects rank and α by patterns.</param>
    /// <param name="layer">The embedding.</param>
    /// <param name="site">Index of the layer, which selects the random streams of the initial values.</param>
    /// <exception cref="BadInputException">"lora_bias" is on, or rank or α is invalid for the table.</exception>
    public LoraEmbeddingLayer(AttachContext context, LoraConfig config, string path, Embedding layer, ulong site)
    {
        if (config.LoraBias)
        {
            throw new BadInputException(
                $"target modules: \"{path}\" is an embedding, which has no place for the bias that lora_bias asks for; leave it out or " +
                "turn lora_bias off");
        }
        int vocabulary = layer.Weight.Shape[0], dim = layer.Weight.Shape[1];
        int rank = LoraChecks.RankOf(context, config, path, Math.Min(vocabulary, dim));
        _layer = layer;
        Scale = LoraChecks.ScaleOf(config, path, rank);
        A = context.NewParameter([rank, vocabulary]);
        B = context.NewParameter([dim, rank]).Normal(0, 1, context.Seed, 2 * site);
        _ = config.Init == LoraInit.Random ? A.Normal(0, 1, context.Seed, 2 * site + 1) : A.Zero();
        _dora = config.UseDora ? new Dora(layer, context.NewParameter([dim])) : null;
        _dora?.Initialize([Update]);
    }

    /// <summary>(r, vocabulary)</summary>
    public Parameter A { get; }

    /// <summary>(dim, r)</summary>
    public Parameter B { get; }

    /// <summary>s</summary>
    public float Scale { get; }

    public override IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            yield return new("", "lora_embedding_A.{0}", "lora_embedding_A", A);
            yield return new("", "lora_embedding_B.{0}", "lora_embedding_B", B);
            if (_dora is not null)
            {
                yield return new("", "lora_magnitude_vector.{0}.weight", "lora_magnitude_vector", _dora.Magnitude);
            }
        }
    }

    public override Tensor AddTo(Tensor x, Tensor y)
    {
        using var scope = new TensorScope();
        return scope.Return(y + (_dora is null ? Delta(x) : Forward(x) - _layer.Compute(x)));
    }

    public override void Free() => _dora?.Free();
}

using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The layers of a head, which run one after the other. Each call adds one, under the name that weight files have for
/// it.</summary>
/// <param name="model">The model that the layers are added to.</param>
/// <param name="spec">Its sizes.</param>
internal sealed class HeadLayers(EncoderModel model, EncoderSpec spec)
{
    private readonly List<Func<Tensor, Tensor>> _steps = [];
    private int _columns = spec.HiddenSize;
    private int _dropouts;

    /// <summary>The last linear layer; null without one.</summary>
    public Linear? Last { get; private set; }

    /// <summary>The path of the layer over the vocabulary; null without one.</summary>
    public string? VocabularyPath { get; private set; }

    /// <summary>The name by which weight files repeat the bias over the vocabulary; null for none.</summary>
    public string? RepeatedBias { get; private set; }

    /// <summary>Whether there are no layers.</summary>
    public bool IsEmpty => _steps.Count == 0;

    /// <summary>Adds a linear layer.</summary>
    public HeadLayers Dense(string path, int outputs, bool bias = true)
    {
        Last = new Linear(_columns, outputs, bias);
        _columns = outputs;
        model.AddPart(path, Last);
        _steps.Add(Last.Forward);
        return this;
    }

    /// <summary>Adds an activation: one of <see cref="Activations.Names"/>.</summary>
    public HeadLayers Activate(string name)
    {
        _steps.Add(Activations.Apply(name));
        return this;
    }

    /// <summary>Adds a layer norm.</summary>
    public HeadLayers Norm(string path, float epsilon, bool bias = true)
    {
        var norm = new LayerNorm(_columns, epsilon, bias);
        model.AddPart(path, norm);
        _steps.Add(norm.Forward);
        return this;
    }

    /// <summary>Adds dropout.</summary>
    public HeadLayers Dropout(float probability)
    {
        var dropout = LayerDropout.OfBase(model.Mode, probability, spec.Layers, _dropouts++);
        _steps.Add(x => x.Dropout(dropout.Now));
        return this;
    }

    /// <summary>Adds the layer over the vocabulary, whose matrix is the token embedding if the model ties them.</summary>
    /// <param name="path">The layer.</param>
    /// <param name="biasOwner">The module that has the bias, such as "cls.predictions"; null for the layer itself.</param>
    /// <param name="bias">Whether there is a bias.</param>
    public HeadLayers Vocabulary(string path, string? biasOwner = null, bool bias = true)
    {
        Last = new Linear(_columns, spec.VocabularySize, bias && biasOwner is null);
        if (spec.TieEmbeddings)
        {
            Last.Tie(model.TokenEmbedding.Weight);
        }
        VocabularyPath = path;
        model.AddPart(path, Last);
        _steps.Add(Last.Forward);
        if (bias && biasOwner is not null)
        {
            RepeatedBias = path + ".bias";
            var owner = model.AddPart(biasOwner + ".bias", new Parameter([spec.VocabularySize]));
            _steps.Add(x => x.AddRow(owner.OwnParameter("bias")!.Value));
        }
        return this;
    }

    /// <summary>Runs the layers: (…, C) to (…, outputs of the last).</summary>
    public Tensor Run(Tensor x)
    {
        using var scope = new TensorScope();
        foreach (var step in _steps)
        {
            x = step(x);
        }
        return scope.Return(x);
    }
}

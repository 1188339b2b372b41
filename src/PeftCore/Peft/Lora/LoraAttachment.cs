using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Peft.Lora;

/// <summary>Puts a LoRA adapter on a model: finds the layers, makes A and B, and takes biases and whole modules along.</summary>
internal sealed class LoraAttachment(PeftModel model, LoraConfig config, string name, ulong seed)
{
    private readonly IBackend _backend = model.Backend;
    private Adapter _adapter = null!;

    public Adapter Attach()
    {
        var selector = config.TargetModules ?? DefaultTargets.For(model.Base.ModelType);
        var targets = TargetMatching.Find(model.Base, selector, config.ExcludeModules, config.ModulesToSave, config.LayersToTransform, config.LayersPattern);
        _adapter = new Adapter(name, Resolved(selector, targets));
        ulong site = 0;
        foreach (var (path, layer) in targets)
        {
            _adapter.Layers.Add((path, layer is Linear linear ? OnLinear(path, linear, site) : OnEmbedding(path, (Embedding)layer, site)));
            site++;
        }
        AddBiases([.. targets.Select(target => target.Path)]);
        AddSavedModules();
        AddTokens();
        return _adapter;
    }

    /// <summary>The configuration as it is saved: with the layers that were found for "all-linear", and the layout those have.</summary>
    private LoraConfig Resolved(ModuleSelector selector, List<(string Path, Layer Layer)> targets) => config with
    {
        TargetModules = selector.IsAllLinear ? ModuleSelector.Of([.. targets.Select(target => target.Path)]) : selector,
        FanInFanOut = targets.Exists(target => target.Layer is Linear { Transposed: true }),
    };

    private LoraLinearAdapter OnLinear(string path, Linear layer, ulong site)
    {
        int rank = RankOf(path, Math.Min(layer.Inputs, layer.Outputs));
        float scale = ScaleOf(path, rank);
        var a = NewParameter([rank, layer.Inputs]);
        var b = NewParameter([layer.Outputs, rank]);
        var anchor = LoraInitializer.Fill(config.Init, layer, a.Value, b.Value, scale, seed, 2 * site);
        Parameter? bias = null;
        if (config.LoraBias)
        {
            bias = NewParameter([layer.Outputs]);
            _backend.Zero(bias.Value);
        }
        var magnitude = config.UseDora ? NewParameter([layer.Outputs]) : null;
        var factors = new LoraFactors(a, b, bias, magnitude, anchor);
        var adapter = new LoraLinearAdapter(layer, factors, scale, (float)config.Dropout, site);
        adapter.Magnitude?.Initialize(anchor is null
            ? [new(a.Value, b.Value, scale)]
            : [new(a.Value, b.Value, scale), new(anchor.A, anchor.B, -scale)]);
        return adapter;
    }

    private LoraEmbeddingAdapter OnEmbedding(string path, Embedding layer, ulong site)
    {
        if (config.UseDora)
        {
            throw new BadInputException($"target modules: \"{path}\" is an embedding, and DoRA works on linear layers only; leave it out or turn use_dora off");
        }
        int vocabulary = layer.Weight.Shape[0], dim = layer.Weight.Shape[1];
        int rank = RankOf(path, Math.Min(vocabulary, dim));
        var a = NewParameter([rank, vocabulary]);
        var b = NewParameter([dim, rank]);
        _backend.Zero(a.Value);
        _backend.FillNormal(b.Value, 0, 1, seed, 2 * site);
        if (config.Init == LoraInit.Random)
        {
            _backend.FillNormal(a.Value, 0, 1, seed, 2 * site + 1);
        }
        return new LoraEmbeddingAdapter(layer, a, b, ScaleOf(path, rank));
    }

    private int RankOf(string path, int largest)
    {
        int rank = TargetMatching.Lookup(config.RankPattern, path, config.Rank);
        return rank <= largest ? rank : throw new BadInputException($"rank {rank} is above the size of \"{path}\", whose smaller side is {largest}; choose a rank of at most {largest}");
    }

    private float ScaleOf(string path, int rank)
    {
        double alpha = TargetMatching.Lookup(config.AlphaPattern, path, config.Alpha);
        return (float)(config.UseRsLora ? alpha / Math.Sqrt(rank) : alpha / rank);
    }

    private Parameter NewParameter(Shape shape)
    {
        var parameter = new Parameter(shape);
        parameter.Materialize(_backend, DType.F32).Storage.Rebook(MemoryKind.Trainable);
        return parameter;
    }

    private void AddBiases(HashSet<string> targets)
    {
        if (config.Bias == BiasMode.None)
        {
            return;
        }
        foreach (var (path, module) in model.Base.NamedModules())
        {
            if (module.OwnParameter("bias") is { } bias && (config.Bias == BiasMode.All || targets.Contains(path)) && !IsSaved(path))
            {
                string suffix = targets.Contains(path) ? "base_layer.bias" : "bias";
                _adapter.Swaps.Add(CopyOf(path, module, "bias", bias, suffix, suffix));
            }
        }
    }

    private void AddSavedModules()
    {
        foreach (var (root, module) in TargetMatching.ByName(model.Base, config.ModulesToSave ?? [], "modules_to_save"))
        {
            foreach (var (below, part) in module.NamedModules())
            {
                foreach (var (parameterName, parameter) in part.OwnParameters)
                {
                    string suffix = Module.Join(below, parameterName);
                    _adapter.Swaps.Add(CopyOf(root, part, parameterName, parameter, "modules_to_save.{0}." + suffix, suffix));
                }
            }
        }
    }

    private ParameterSwap CopyOf(string path, Module module, string parameterName, Parameter original, string memorySuffix, string fileSuffix)
    {
        var copy = NewParameter(original.Shape);
        _backend.Cast(original.Value, copy.Value);
        return new ParameterSwap(module, parameterName, new AdapterParameter(path, memorySuffix, fileSuffix, copy));
    }

    private bool IsSaved(string path) =>
        config.ModulesToSave?.Any(saved => path == saved || path.EndsWith("." + saved, StringComparison.Ordinal)) ?? false;

    private void AddTokens()
    {
        foreach (var (embeddingName, tokens) in config.TrainableTokens ?? new Dictionary<string, IReadOnlyList<int>>())
        {
            var (path, module) = embeddingName.Length == 0
                ? model.Base.NamedModules().First(candidate => candidate.Module == model.Base.TokenEmbedding)
                : TargetMatching.ByName(model.Base, [embeddingName], "trainable_token_indices").First();
            if (module is not Embedding embedding)
            {
                throw new BadInputException($"trainable_token_indices: \"{path}\" is not an embedding; name the token embedding");
            }
            AddTokens(path, embedding, tokens);
        }
    }

    private void AddTokens(string path, Embedding embedding, IReadOnlyList<int> tokens)
    {
        int vocabulary = embedding.Weight.Shape[0];
        foreach (int token in tokens)
        {
            if (token < 0 || token >= vocabulary)
            {
                throw new BadInputException($"trainable_token_indices: token {token} is not in the vocabulary of {vocabulary}");
            }
        }
        if (tokens.Distinct().Count() != tokens.Count || tokens.Count == 0)
        {
            throw new BadInputException("trainable_token_indices: the list must name at least one token, and each only once");
        }
        var rows = NewParameter([tokens.Count, embedding.Weight.Shape[1]]);
        using (new TensorScope())
        {
            _backend.Gather(_backend.From([.. tokens], [tokens.Count]), embedding.Weight.Value, rows.Value);
        }
        _adapter.Layers.Add((path, new TrainableTokenRows(embedding, tokens, rows, owner: true)));
        var head = model.Base.Head;
        if (head.Weight == embedding.Weight)
        {
            string headPath = model.Base.NamedModules().First(candidate => candidate.Module == head).Path;
            _adapter.Layers.Add((headPath, new TrainableTokenRows(head, tokens, rows, owner: false)));
        }
    }
}

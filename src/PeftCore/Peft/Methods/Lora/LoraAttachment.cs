using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Peft.Lora;

/// <summary>Puts a LoRA adapter on a model: finds the layers, makes A and B, and takes biases and whole modules along.</summary>
internal sealed class LoraAttachment(AttachContext context, LoraConfig config)
{
    private readonly IBackend _backend = context.Backend;
    private Adapter _adapter = null!;

    public Adapter Attach()
    {
        LoraChecks.Check(config);
        if (config.Init.NeedsData && context.Factors is null && !context.ShapesOnly && (context.IsNew || config.Init.ChangesBase))
        {
            throw new BadInputException(context.IsNew
                ? $"init_lora_weights is {LoraConfigFields.ToJson(config.Init)}, which needs data: use AddCalibratedAdapter"
                : $"init_lora_weights is {LoraConfigFields.ToJson(config.Init)}: such a file fits only the base that its run changed; " +
                "save it as a plain LoRA where it was trained, or convert it with the adapter as it was before training (peftcore " +
                "convert --initial-adapter)");
        }
        var targets = new TargetedLayers(context, config);
        _adapter = targets.NewAdapter();
        ulong site = 0;
        foreach (var (path, layer) in targets.Layers)
        {
            if (layer is Linear linear)
            {
                OnLinear(path, linear, site);
            }
            else
            {
                OnEmbedding(path, (Embedding)layer, site);
            }
            site++;
        }
        OnTied(targets, site);
        targets.Finish(_adapter);
        if (config.EnsureWeightTying)
        {
            WeightTying.ShareSaved(context, _adapter);
        }
        TargetMatching.CheckPatterns(context, "rank_pattern", config.RankPattern, _adapter);
        TargetMatching.CheckPatterns(context, "alpha_pattern", config.AlphaPattern, _adapter);
        if (config.Init.NeedsData && config.Init.ChangesBase)
        {
            _adapter.State = () => LoraState.Of(_adapter);
        }
        TrainableTokens.Attach(context, _adapter, config.TrainableTokens);
        return _adapter;
    }

    /// <summary>A LoRA on both of two tied tables, where only one is a target: Hugging Face PEFT makes the other share its factors, and
    /// saves both.</summary>
    private void OnTied(TargetedLayers targets, ulong site)
    {
        if (!config.EnsureWeightTying || !WeightTying.IsTied(context.Base))
        {
            return;
        }
        string embedding = WeightTying.PathOf(context.Base, context.Base.TokenEmbedding),
            head = WeightTying.PathOf(context.Base, context.Base.Head);
        var there = targets.Layers.Where(target => target.Path == embedding || target.Path == head).Select(target => target.Path).ToList();
        if (there is [var one] && context.StoredShape(AdapterParameter.Prefix + (one == head ? embedding + ".lora_embedding_A" : head +
            ".lora_A.weight")) is not null)
        {
            if (one == head)
            {
                OnEmbedding(embedding, context.Base.TokenEmbedding, site);
            }
            else
            {
                OnLinear(head, context.Base.Head, site);
            }
        }
        else if (there.Count > 0 && there.Exists(path => WeightTying.IsKnown(path)) && (there.Count == 1 || context.IsNew))
        {
            throw WeightTying.NotThere(context, there[0], there[0] == head ? embedding : head);
        }
    }

    private void OnLinear(string path, Linear layer, ulong site)
    {
        int rank = RankOf(path, Math.Min(layer.Inputs, layer.Outputs));
        float scale = ScaleOf(path, rank);
        var a = context.NewParameter([rank, layer.Inputs]);
        var b = context.NewParameter([layer.Outputs, rank]);
        var bias = config.LoraBias ? context.NewParameter([layer.Outputs]) : null;
        var magnitude = config.UseDora ? context.NewParameter([layer.Outputs]) : null;
        if (bias is not null)
        {
            _backend.Zero(bias.Value);
        }
        var anchor = context.Factors?.TryGetValue(path, out var factors) == true
            ? LoraInitializer.Fill(path, factors, a.Value, b.Value, config.Init.ChangesBase)
            : LoraInitializer.Fill(config.Init, path, layer, a.Value, b.Value, scale, context.Seed, 2 * site);
        if (context.ShapesOnly && config.Init is { NeedsData: true, ChangesBase: true })
        {
            anchor = LoraInitializer.Keep(a.Value, b.Value);
        }
        if (config.Init == LoraInit.Loftq)
        {
            var rounded = context.NewFrozen(layer.Weight);
            LoraInitializer.FillLoftQ(path, layer, a.Value, b.Value, scale, config.LoftqIterations, rounded);
            _adapter.Swaps.Add(new ParameterSwap(layer, "weight", new AdapterParameter(path, "base_layer.weight", "base_layer.weight",
                rounded), trains: false));
        }
        var adapter = new LoraLinearAdapter(layer, new LoraFactors(a, b, bias, magnitude, anchor), scale, (float)config.Dropout, site);
        _adapter.Layers.Add((path, adapter));
        adapter.Magnitude?.Initialize(adapter.Branches(default));
    }

    private void OnEmbedding(string path, Embedding layer, ulong site)
    {
        if (config.LoraBias)
        {
            throw new BadInputException(
                $"target modules: \"{path}\" is an embedding, which has no place for the bias that lora_bias asks for; leave it out or " +
                "turn lora_bias off");
        }
        int vocabulary = layer.Weight.Shape[0], dim = layer.Weight.Shape[1];
        int rank = RankOf(path, Math.Min(vocabulary, dim));
        var a = context.NewParameter([rank, vocabulary]);
        var b = context.NewParameter([dim, rank]);
        var magnitude = config.UseDora ? context.NewParameter([dim]) : null;
        _backend.Zero(a.Value);
        _backend.FillNormal(b.Value, 0, 1, context.Seed, 2 * site);
        if (config.Init == LoraInit.Random)
        {
            _backend.FillNormal(a.Value, 0, 1, context.Seed, 2 * site + 1);
        }
        float scale = ScaleOf(path, rank);
        var adapter = new LoraEmbeddingAdapter(layer, a, b, magnitude, scale);
        _adapter.Layers.Add((path, adapter));
        adapter.Magnitude?.Initialize([new(a.Value, b.Value, scale)]);
    }

    /// <summary>A rank beyond the layer's smaller side buys nothing, so asking for it is a mistake. Files of other programs may have it;
    /// only what is cut out of the weight itself must fit in it.</summary>
    private int RankOf(string path, int largest)
    {
        int rank = TargetMatching.Lookup(config.RankPattern, path, config.Rank, "rank_pattern");
        if (rank < 1)
        {
            throw new BadInputException($"rank {rank} of \"{path}\" is no rank; choose one of at least 1");
        }
        return rank <= largest || !(context.IsNew || config.Init.ChangesBase) ? rank
            : throw new BadInputException(
            $"rank {rank} is above the size of \"{path}\", whose smaller side is {largest}; choose a rank of at most {largest}");
    }

    private float ScaleOf(string path, int rank)
    {
        double alpha = TargetMatching.Lookup(config.AlphaPattern, path, config.Alpha, "alpha_pattern");
        float scale = (float)(config.UseRsLora ? alpha / Math.Sqrt(rank) : alpha / rank);
        if (!float.IsFinite(scale) || (config.Init.ChangesBase && scale <= 0))
        {
            throw new BadInputException(
                $"lora_alpha is {alpha} for \"{path}\"; it must be {(config.Init.ChangesBase ? "a number above 0, because this " +
                "initialisation divides by it" : "a finite number")}");
        }
        return scale;
    }
}

namespace PeftCore.Peft.Ia3;

/// <summary>Hyperparameters of (IA)³ (Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context
/// Learning"): trained vectors that rescale keys, values and the hidden activations of feed-forward networks.</summary>
public sealed record Ia3Config : TargetedConfig
{
    private const string FeedforwardField = "feedforward_modules";

    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<Ia3Config> Fields { get; } = new ConfigFields<Ia3Config>(new())
        .Targets(exclude: true, fanInFanOut: true)
        .Modules(FeedforwardField, c => c.FeedforwardModules, (c, v) => c with { FeedforwardModules = v },
            "Those of the targets whose input is rescaled instead of the output; null for the model family's usual ones.")
        .Bool("init_ia3_weights", c => c.InitIa3Weights, (c, v) => c with { InitIa3Weights = v },
            "Start the vectors at one, so that the adapter starts as the identity; otherwise at standard normal numbers.");

    /// <summary>The targets whose input is rescaled instead of the output; null for the family's defaults.</summary>
    public ModuleSelector? FeedforwardModules { get; init; }

    /// <summary>Whether the vectors start at one, so that the adapter starts as the identity; otherwise they are standard normal.</summary>
    internal bool InitIa3Weights { get; init; } = true;

    internal override bool StartsAsBase => InitIa3Weights;

    internal override bool SupportsGraphCapture => true;

    internal override Adapter AttachTo(AttachContext context)
    {
        var resolved = this with
        {
            TargetModules = TargetModules?.ForNamesOf(context.Base),
            FeedforwardModules = FeedforwardModules?.ForNamesOf(context.Base) ?? DefaultTargets.FeedforwardFor(context.Base.ModelType),
        };
        resolved.RefuseStrangers();
        return TargetedLayers.WithConvolutions(context, resolved).AttachMatrices((path, layer, number) =>
        {
            bool scalesInput = resolved.IsFeedforward(path);
            var scale = context.NewParameter(Ia3Adapter.ShapeOf(path, layer, scalesInput));
            _ = InitIa3Weights ? scale.Fill(1) : scale.Normal(0, 1, context.Seed, number);
            return new Ia3Adapter(layer, scale, scalesInput);
        });
    }

    /// <summary>Whether the input of a layer is rescaled. Names match any suffix of the path, as in Hugging Face PEFT.</summary>
    private bool IsFeedforward(string path) => FeedforwardModules!.Names is { } names
        ? names.Any(name => path.EndsWith(name, StringComparison.Ordinal))
        : FeedforwardModules.Matches(path);

    private void RefuseStrangers()
    {
        if (TargetModules?.Names is { } targets
            && FeedforwardModules?.Names?.FirstOrDefault(name => !targets.Contains(name)) is { } stranger)
        {
            throw new BadInputException(
                $"{FeedforwardField}: \"{stranger}\" is not one of the target modules {TargetModules}; it must be, because it says how a " +
                "target is changed");
        }
    }
}

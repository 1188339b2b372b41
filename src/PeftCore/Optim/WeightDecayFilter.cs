using System.Text.RegularExpressions;
using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>Selects the parameters that decay. Biases and the scales of norms do not, because zero is not a natural value for
/// them.</summary>
internal static partial class WeightDecayFilter
{
    /// <summary>The rule of Hugging Face's Trainer: excludes the parameters of layer norms and any whose name contains "bias", "layernorm",
    /// "rmsnorm", or a part that is or ends in "norm".</summary>
    /// <param name="model">The model, in which layer norms are found by type, because GPT-2 names them "ln_1".</param>
    public static Func<string, Parameter, bool> LikeTrainer(Module model)
    {
        var ofNorms = OfLayerNorms(model);
        return (name, parameter) => !ofNorms.Contains(parameter) && !Undecayed().IsMatch(name);
    }

    /// <summary>The parameters of layer norms, which are no RMS norms.</summary>
    internal static HashSet<Parameter> OfLayerNorms(Module model) => model.NamedModules().Where(m => m.Module is LayerNorm)
        .SelectMany(m => m.Module.OwnParameters).Select(pair => pair.Value).ToHashSet();

    [GeneratedRegex(@"bias|layernorm|rmsnorm|(?:^|\.|_)norm(?:$|\.)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Undecayed();
}

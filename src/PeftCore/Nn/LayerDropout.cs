using PeftCore.Ops;

namespace PeftCore.Nn;

/// <summary>Dropout at one site of a model or of an adapter. The mask is a function of seed, site and step, so backward and recomputation
/// get the same
/// one.</summary>
/// <param name="Mode">Mode, seed and step of the model.</param>
/// <param name="Probability">Probability that an element is dropped.</param>
/// <param name="Site">The site's number: that of a layer, or one from <see cref="FirstSiteAfterLayers"/> on.</param>
internal readonly record struct LayerDropout(RunMode Mode, float Probability, ulong Site)
{
    /// <summary>The first index of sites that are not layers, far above those of layers.</summary>
    public const ulong FirstSiteAfterLayers = 0x7FE000;

    /// <summary>The first index of the base model's own sites, above those of adapters.</summary>
    private const ulong FirstSiteOfBase = 0x800000;

    private const int SitesOfBlock = 4;

    private const int StepBits = 40;

    /// <summary>Dropout on one layer's update.</summary>
    public LayerDropout(Layer layer, float probability, ulong site) : this(layer.Mode, probability, site)
    {
    }

    /// <summary>Dropout of the base model itself.</summary>
    /// <param name="mode">Mode, seed and step of the model.</param>
    /// <param name="probability">Probability that an element is dropped.</param>
    /// <param name="block">Index of the block; −1 for the embedding.</param>
    /// <param name="site">Index of the site in the block, below 4.</param>
    public static LayerDropout OfBase(RunMode mode, float probability, int block, int site) =>
        new(mode, probability, FirstSiteOfBase + (ulong)((block + 1) * SitesOfBlock + site));

    /// <summary>The key of the current step's mask; no dropout in evaluation mode.</summary>
    public DropoutKey Now => Probability > 0 && Mode.Training ? new DropoutKey(Probability, Mode.Seed, Stream) : default;

    /// <summary>The random stream of this site and step.</summary>
    public ulong Stream => (Site << StepBits) | (Mode.Step & ((1UL << StepBits) - 1));
}

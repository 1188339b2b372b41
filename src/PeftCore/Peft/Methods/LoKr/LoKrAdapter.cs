using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft.LoKr;

/// <summary>LoKr (Yeh et al. 2023, LyCORIS) on one linear layer or convolution: ΔW = s·W₁⊗W₂ with W₁ (a, c), W₂ (b, d·k), out = a·b,
/// channels = c·d, k positions of the kernel. Each factor is one matrix, or a product of rank r where that is smaller. The Kronecker
/// product is never formed.</summary>
internal sealed class LoKrAdapter : DeltaAdapter
{
    private const ulong StreamsOfSite = 4;

    private readonly float _scale;
    private readonly LycorisDropout _dropout;
    private readonly Factor _first;
    private readonly Factor _second;

    public LoKrAdapter(AttachContext context, LoKrConfig config, string path, MatrixLayer layer, ulong site) : base(layer)
    {
        (int r, _scale) = config.On(path);
        _dropout = new LycorisDropout(layer, (float)config.RankDropout, (float)config.ModuleDropout, site, config.RankDropoutScale);
        var (c, d) = Split(layer.Channels, config.DecomposeFactor);
        var (a, b) = Split(layer.Outputs, config.DecomposeFactor);
        bool firstWhole = !(config.DecomposeBoth && r < Math.Max(a, c) / 2.0), secondWhole = r >= Math.Max(b, d) / 2.0;
        _first = firstWhole ? Factor.Whole(context, "lokr_w1", [a, c])
            : Factor.Product(context, "lokr_w1", a, c, (1, 1, false), r);
        _second = secondWhole ? Factor.Whole(context, "lokr_w2", layer is Convolution { Spec: var spec }
                ? spec.Axes == 1 ? [b, d, spec.KernelWidth] : [b, d, spec.KernelHeight, spec.KernelWidth] : [b, d])
            : Factor.Product(context, "lokr_w2", b, d, LycorisFactors.KernelOf(layer, config.UseEffectiveConv2d), r);
        _first.Draw(context.Seed, StreamsOfSite * site, zeroA: config.Init == LoKrInit.Default, zeroB: false);
        _second.Draw(context.Seed, StreamsOfSite * site + 2, zeroA: false, zeroB: config.Init == LoKrInit.Lycoris);
    }

    public override IEnumerable<AdapterParameter> Parameters => [.. _first.Parameters, .. _second.Parameters];

    /// <summary>Splits a dimension into two factors, the smaller first: <paramref name="factor"/> and its cofactor if it is a divisor;
    /// otherwise the pair with the smallest sum whose smaller factor is at most <paramref name="factor"/> (−1: no limit).</summary>
    internal static (int Small, int Large) Split(int dimension, int factor)
    {
        if (factor > 0 && dimension % factor == 0)
        {
            return (factor, dimension / factor);
        }
        int most = factor == -1 ? dimension : factor, m = 1, n = dimension, length = m + n;
        while (m < n)
        {
            int next = m + 1;
            while (dimension % next != 0)
            {
                next++;
            }
            if (next + dimension / next > length || next > most)
            {
                break;
            }
            (m, n) = (next, dimension / next);
        }
        return m > n ? (n, m) : (m, n);
    }

    protected override Tensor Delta(Tensor x, Tensor weight)
    {
        var y = x.KroneckerLinear(_first.Value, _second.Value, _scale);
        return _dropout.Factors() is { } factors ? y.MultiplyRow(y.Backend.From(factors, [factors.Length])) : y;
    }

    /// <summary>W₁ or W₂: one matrix, or a product of rank r.</summary>
    private sealed class Factor
    {
        private readonly string _name;
        private readonly Parameter? _whole;
        private readonly LycorisFactors? _product;

        private Factor(string name, Parameter? whole, LycorisFactors? product) => (_name, _whole, _product) = (name, whole, product);

        public static Factor Whole(AttachContext context, string name, Shape shape) => new(name, context.NewParameter(shape), null);

        public static Factor Product(AttachContext context, string name, int rows, int columns, (int, int, bool) kernel, int rank) =>
            new(name, null, LycorisFactors.Of(context, rows, columns, kernel, rank, (name + "_a", name + "_b",
                name.Replace("_w", "_t", StringComparison.Ordinal))));

        public Tensor Value => _whole is not null ? MatrixLayer.MatrixOf(_whole.Value) : _product!.Up.MatMul(_product.Down);

        public IEnumerable<AdapterParameter> Parameters => _whole is not null ? [new("", _name + ".{0}", _name, _whole)]
            : _product!.Parameters;

        /// <summary>Draws the factor; the whole one is zero if either of its parts would be.</summary>
        public void Draw(ulong seed, ulong stream, bool zeroA, bool zeroB)
        {
            if (_whole is not null)
            {
                _ = zeroA || zeroB ? _whole.Zero() : _whole.Kaiming(_whole.Shape.Count / _whole.Shape[0], seed, stream);
                return;
            }
            _product!.Kaiming(seed, stream, stream + 1, LayerDropout.FirstSiteAfterLayers + stream);
            _ = zeroA ? _product.A.Zero() : _product.A;
            _ = zeroB ? _product.B.Zero() : _product.B;
        }
    }
}

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Nn;
using PeftCore.Ops;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Nn;

public sealed class ConvolutionTests
{
    private CpuBackend _backend = null!;
    private TensorScope _scope = null!;

    [SetUp]
    public void Open()
    {
        _backend = new CpuBackend(1, poison: true);
        _scope = new TensorScope();
    }

    [TearDown]
    public void Close()
    {
        _scope.Dispose();
        _backend.Dispose();
    }

    [Test]
    public void Weight_normalisation_scales_each_position_of_the_kernel_to_its_gain()
    {
        var layer = new WeightNormConvolution(ConvolutionSpec.Over1(4, padding: 2, groups: 2), channels: 6, outputs: 4);
        float[] v = Numbers.Random(1, 4 * 3 * 4), g = Numbers.Random(2, 4), bias = Numbers.Random(3, 4), x = Numbers.Random(4, 2 * 5 * 6);
        Set(layer, "parametrizations.weight.original0", g);
        Set(layer, "parametrizations.weight.original1", v);
        Set(layer, "bias", bias);
        double[] weight = new double[v.Length];
        for (int k = 0; k < 4; k++)
        {
            double norm = Math.Sqrt(Enumerable.Range(0, 12).Sum(row => (double)v[row * 4 + k] * v[row * 4 + k]));
            for (int row = 0; row < 12; row++)
            {
                weight[row * 4 + k] = g[k] * v[row * 4 + k] / norm;
            }
        }
        var input = _backend.From(x, [2, 5, 6]);
        var expected = input.Convolve(ConvolutionSpec.Over1(4, padding: 2, groups: 2),
            _backend.From(Array.ConvertAll(weight, w => (float)w), [4, 12]), _backend.From(bias, [4]));
        Assert.That(layer.Forward(input).ToArray<float>(), Is.EqualTo(expected.ToArray<float>()).Within(1e-5f));
        layer.Dispose();
    }

    [Test]
    public void Parameters_of_weight_normalisation_have_their_older_names_too()
    {
        Assert.That(WeightNormConvolution.OldNameOf("pos_conv_embed.conv.parametrizations.weight.original0"),
            Is.EqualTo("pos_conv_embed.conv.weight_g"));
        Assert.That(WeightNormConvolution.OldNameOf("pos_conv_embed.conv.parametrizations.weight.original1"),
            Is.EqualTo("pos_conv_embed.conv.weight_v"));
        Assert.That(WeightNormConvolution.OldNameOf("pos_conv_embed.conv.bias"), Is.Null);
    }

    [Test]
    public void The_workspace_of_a_convolution_is_one_piece_of_patches()
    {
        const long Most = 64 * 9 * 8 * sizeof(float); // 64 of 256 patches
        using var large = new MetaBackend();
        using var small = new MetaBackend { MaxPatchBytes = Most };
        long whole = PeakOf(large), pieces = PeakOf(small), patches = 256L * 9 * 8 * sizeof(float);
        Assert.That(whole - pieces, Is.EqualTo(patches - Most));
        _backend.MaxPatchBytes = Most;
        Assert.That(PeakOf(_backend), Is.EqualTo(pieces), "the plan is what runs");
    }

    [Test]
    public void A_frozen_kernel_has_no_gradient_and_saves_nothing()
    {
        using var tape = new Tape();
        var x = _backend.From(Numbers.Random(1, 2 * 4 * 4 * 3), [2, 4, 4, 3]).TrackGradient();
        var y = x.Convolve(ConvolutionSpec.Over2(3, padding: 1), _backend.From(Numbers.Random(2, 5 * 27), [5, 27]));
        Assert.That(tape.SavedBytes, Is.Zero);
        tape.Backward(y.Sum());
        Assert.That(x.Gradient, Is.Not.Null);
        x.UntrackGradient();
    }

    [Test]
    public void A_kernel_larger_than_the_padded_picture_is_refused()
    {
        var error = Assert.Throws<ShapeException>(() => _backend.Zeros([1, 2, 2, 3]).Convolve(ConvolutionSpec.Over2(5, padding: 1),
            _backend.Zeros([4, 75])));
        Assert.That(error.Message, Does.Contain("a kernel of 5 × 5 does not fit"));
    }

    [Test]
    public void Channels_that_do_not_divide_into_the_groups_are_refused()
    {
        var error = Assert.Throws<ShapeException>(() => _backend.Zeros([1, 4, 3]).Convolve(ConvolutionSpec.Over1(3, groups: 2),
            _backend.Zeros([4, 3])));
        Assert.That(error.Message, Does.Contain("3 channels do not divide into 2 groups"));
    }

    private void Set(Module module, string path, float[] values)
    {
        var parameter = module.NamedParameters().Single(p => p.Path == path).Parameter;
        parameter.Set(_backend.From(values, parameter.Shape, MemoryKind.Frozen));
    }

    /// <summary>Peak of the bytes in use over a forward pass of 2 pictures of 16 × 8 positions and its backward pass.</summary>
    private static long PeakOf(Backend backend)
    {
        using var scope = new TensorScope();
        using var tape = new Tape();
        var x = backend.Zeros([2, 16, 8, 8]).TrackGradient();
        var weight = backend.Zeros([4, 72]).TrackGradient();
        tape.Backward(x.Convolve(ConvolutionSpec.Over2(3, padding: 1), weight).Sum());
        x.UntrackGradient();
        weight.UntrackGradient();
        return backend.Memory.PeakBytes;
    }
}

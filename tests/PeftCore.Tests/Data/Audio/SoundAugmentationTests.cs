using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Audio;

namespace PeftCore.Tests.Data;

public sealed class SoundAugmentationTests
{
    private const int Rate = 8000;

    private static readonly float[] Tone = [.. Enumerable.Range(0, 2000).Select(t => MathF.Sin(0.2f * t))];

    private CpuBackend _cpu = null!;
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Open() => (_cpu, _directory) = (new CpuBackend(1), new TemporaryDirectory());

    [TearDown]
    public void Close()
    {
        _directory.Dispose();
        _cpu.Dispose();
    }

    [Test]
    public void A_changed_recording_is_a_function_of_the_draw()
    {
        var augmentation = new SoundAugmentation(Speed: 0.25, Filter: 0.3, Noise: 0.3, Shift: 0.1);
        var lengths = new HashSet<int>();
        foreach (var draw in Draws())
        {
            float[] changed = augmentation.Of(Tone, Rate, draw);
            Assert.That(augmentation.Of(Tone, Rate, draw), Is.EqualTo(changed));
            Assert.That(changed, Has.Length.EqualTo(augmentation.LengthIn(draw, Tone.Length, Rate)));
            Assert.That(changed.Length, Is.InRange(augmentation.Shortest(Tone.Length), augmentation.Longest(Tone.Length, Rate)));
            lengths.Add(changed.Length);
        }
        Assert.That(lengths, Has.Count.GreaterThan(35), "of 40 draws");
    }

    [Test]
    public void A_faster_recording_is_shorter_and_higher()
    {
        var augmentation = new SoundAugmentation(Speed: 0.25, Filter: 0, Noise: 0, Shift: 0);
        foreach (var draw in Draws())
        {
            float[] changed = augmentation.Of(Tone, Rate, draw);
            double speed = (double)Tone.Length / changed.Length;
            Assert.That(speed, Is.InRange(0.799, 1.251));
            // The last samples have no neighbours behind them.
            double worst = Enumerable.Range(2, changed.Length - 6).Max(t => Math.Abs(changed[t] - Math.Sin(0.2 * speed * t)));
            Assert.That(worst, Is.LessThan(2e-3));
        }
    }

    [Test]
    public void Noise_filter_and_silence_stay_within_their_bounds()
    {
        var noise = new SoundAugmentation(0, 0, Noise: 0.5, 0);
        var filter = new SoundAugmentation(0, Filter: 0.25, 0, 0);
        var shift = new SoundAugmentation(0, 0, 0, Shift: 0.1);
        double rms = Math.Sqrt(Tone.Average(x => x * x)), loudest = 0;
        foreach (var draw in Draws())
        {
            var added = noise.Of(Tone, Rate, draw).Zip(Tone, (changed, plain) => (double)changed - plain);
            double deviation = Math.Sqrt(added.Average(x => x * x)) / rms;
            Assert.That(deviation, Is.LessThan(0.51));
            loudest = Math.Max(loudest, deviation);
            // Four weights of at most 0.25 at most double a tone.
            Assert.That(filter.Of(Tone, Rate, draw).Max(Math.Abs), Is.LessThan(2).And.Not.EqualTo(Tone.Max(Math.Abs)));
            float[] shifted = shift.Of(Tone, Rate, draw);
            int silence = shifted.Length - Tone.Length;
            Assert.That(silence, Is.InRange(0, 800));
            Assert.That(shifted.AsSpan(0, silence).ContainsAnyExcept(0f), Is.False);
            Assert.That(shifted[silence..], Is.EqualTo(Tone));
        }
        Assert.That(loudest, Is.GreaterThan(0.3));
    }

    [Test]
    public void Each_epoch_hears_other_recordings_and_evaluation_the_ones_of_the_files()
    {
        using var scope = new TensorScope();
        var plain = Reader("xlsr_ctc");
        var (source, columns) = plain.Augmented(speed: 0.25, noise: 0.1).Open("a.wav");
        Assert.That(columns, Is.EqualTo(1600), "a fifth less at the highest speed");
        Assert.That(source.Shape.Columns, Is.EqualTo(2500), "a quarter more at the lowest");
        var batch = DenseBatch.Read([source, source], [new SampleDraw(1, 0, 0), new SampleDraw(1, 1, 0)], null);
        Assert.That(batch.Lengths[0], Is.Not.EqualTo(batch.Lengths[1]));
        Assert.That(batch.Shape.Columns, Is.EqualTo(batch.Lengths.Max()));
        Assert.That(batch.MarksPadding);
        Assert.That(batch.Row(0).Values.Average(), Is.EqualTo(0).Within(1e-5), "normalized after the changes");
        Assert.That(plain.Open("a.wav").Source.Shape.Columns, Is.EqualTo(Tone.Length));
        Assert.That(source.Fingerprint, Is.Not.EqualTo(plain.Open("a.wav").Source.Fingerprint));
    }

    [Test]
    public void A_window_keeps_its_size_however_slow_the_recording_becomes()
    {
        string preprocessor = """{"sampling_rate": 8000, "chunk_length": 1, "feature_size": 16, "n_fft": 400, "hop_length": 266}""";
        var reader = Reader("whisper", preprocessor, samples: 7900).Augmented(speed: 1, shift: 0.5);
        var source = reader.Open("a.wav").Source;
        float[] values = new float[source.Shape.Count];
        foreach (var draw in Draws())
        {
            Assert.That(source.ColumnsIn(draw), Is.EqualTo(30));
            source.Read(values, draw);
        }
    }

    [Test]
    public void Numbers_out_of_range_are_refused()
    {
        var reader = Reader("xlsr_ctc");
        Assert.That(() => reader.Augmented(speed: 1.5), Throws.TypeOf<BadInputException>().With.Message.Contains("speed 1.5"));
        Assert.That(() => reader.Augmented(noise: -1), Throws.TypeOf<BadInputException>().With.Message.Contains("noise -1"));
    }

    [Test]
    public void Band_pass_filters_pass_the_frequencies_of_their_bands()
    {
        var model = (Wav2Vec2)TinySpeech.With("xlsr_ctc", _cpu, ("conv_dim", "[32, 16, 16]"), ("conv_kernel", "[128, 3, 2]"));
        Reader(model).FillFilters(model);
        float[] filters = model.FirstConvolution.Weight.Value.ToFloats();
        double[] loudest = [.. Enumerable.Range(0, 8)
            .Select(band => Enumerable.Range(1, 79).MaxBy(step => Response(4 * band, 50 * step)) * 50.0)];
        Assert.That(loudest, Is.Ordered.Ascending.And.Unique);
        Assert.That(loudest[0], Is.LessThan(200));
        Assert.That(loudest[^1], Is.GreaterThan(3300));
        Assert.That(Enumerable.Range(0, 128).Max(t => Math.Abs(filters[t] + filters[2 * 128 + t])), Is.LessThan(1e-6), "opposite phases");
        var small = TinySpeech.Load("xlsr_ctc", _cpu);
        Assert.That(() => Reader(small).FillFilters(small), Throws.TypeOf<BadInputException>().With.Message.Contains("10 ms, 80 samples"));
        Assert.That(() => Reader(small).FillFilters(TinySpeech.Load("whisper", _cpu)),
            Throws.TypeOf<BadInputException>().With.Message.Contains("no convolution over samples"));

        double Response(int channel, double hertz)
        {
            var sum = Enumerable.Range(0, 128).Aggregate(System.Numerics.Complex.Zero, (total, t) =>
                total + filters[channel * 128 + t] * System.Numerics.Complex.FromPolarCoordinates(1, 2 * Math.PI * hertz * t / Rate));
            return sum.Magnitude;
        }
    }

    private static IEnumerable<SampleDraw> Draws() => Enumerable.Range(0, 40).Select(i => new SampleDraw(7, i / 10, i % 10));

    private SoundReader Reader(string name, string preprocessor = """{"sampling_rate": 8000, "return_attention_mask": true}""",
        int samples = 2000) => Reader(TinySpeech.Load(name, _cpu), preprocessor, samples);

    private SoundReader Reader(TransformerModel model,
        string preprocessor = """{"sampling_rate": 8000, "return_attention_mask": true}""", int samples = 2000)
    {
        File.Copy(Path.Combine(TinySpeech.DirectoryOf("whisper"), "config.json"), Path.Combine(_directory.FullPath, "config.json"),
            overwrite: true); // Names the tokens before a text.
        File.WriteAllText(Path.Combine(_directory.FullPath, "preprocessor_config.json"), preprocessor);
        return SoundReader.Open(model, _directory.FullPath, path => Waveform.FromChannels(path,
            [.. Enumerable.Range(0, samples).Select(t => MathF.Sin(0.2f * t))], 1, Rate));
    }
}

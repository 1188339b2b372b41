using PeftCore.Data;
using PeftCore.Io;

namespace PeftCore.Tests.Data;

public sealed class AudioPreprocessorTests
{
    [TestCase("whisper_80", """{"feature_extractor_type": "WhisperFeatureExtractor"}""")]
    [TestCase("whisper_128", """{"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128}""")]
    [TestCase("wav2vec2", """{"feature_extractor_type": "Wav2Vec2FeatureExtractor", "return_attention_mask": true}""")]
    public void Inputs_are_those_of_transformers(string name, string json)
    {
        using var file = WeightSource.OpenFile(TestFiles.Fixture("preprocessing", "expected.safetensors"));
        float[] expected = Fixtures.Floats(file, name);
        var features = AudioPreprocessor.Of(Config(json), "wav2vec2").Of(Wave(Fixtures.Floats(file, "in.wave_16khz"), 16000), "in.wav");

        // Of spectrograms the fixture has the first frames of each bin.
        int columns = expected.Length / features.Rows;
        Assert.That(expected, Has.Length.EqualTo(features.Rows * columns));
        Assert.That(columns, features.Rows == 1 ? Is.EqualTo(features.Columns) : Is.LessThan(features.Columns));
        double worst = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            worst = Math.Max(worst, Math.Abs(features.Values[i / columns * features.Columns + i % columns] - expected[i]));
        }
        Assert.That(worst, Is.LessThan(1e-4));
    }

    [Test]
    public void Mel_filters_have_the_same_area_and_cover_the_scale_once()
    {
        var filters = new MelFilterBank(80, 201, 16000, 8000);
        double[] one = new double[201];
        for (int bin = 30; bin < 190; bin++)
        {
            one[bin] = 1;
            // Neighbouring triangles add up to one before each is divided by half of its width.
            double sum = Enumerable.Range(0, 80).Sum(m => filters.Apply(m, one) * Width(m) / 2);
            Assert.That(sum, Is.EqualTo(1).Within(1e-9), $"bin {bin}");
            one[bin] = 0;
        }

        double Width(int m) => MelFilterBank.ToHertz(Edge(m + 2)) - MelFilterBank.ToHertz(Edge(m));
        double Edge(int i) => MelFilterBank.ToMel(8000) * i / 81;
    }

    [Test]
    public void A_spectrogram_has_the_window_of_the_model_and_the_floor_of_silence()
    {
        var whisper = AudioPreprocessor.Of(Config("""{"feature_extractor_type": "WhisperFeatureExtractor", "chunk_length": 2}"""), "whisper");
        var features = whisper.Of(Wave(Enumerable.Range(0, 8000).Select(i => MathF.Sin(0.4f * i)), 8000), "tone.wav");
        Assert.That((features.Rows, features.Columns), Is.EqualTo((80, 200)));
        float largest = features.Values.Max();
        Assert.That(features.Values.Min(), Is.EqualTo(largest - 2).Within(1e-5), "no lower than 8 powers of ten, divided by 4");
        Assert.That(features.Values.Chunk(200).Select(row => row[150]), Is.All.EqualTo(largest - 2).Within(1e-5), "silence after the tone");
        // 8000·0.4/2π = 509 Hz is mel 7.6 of 45.2, filter 13 of 81 edges.
        Assert.That(Enumerable.Range(0, 80).MaxBy(m => features.Values[m * 200 + 40]), Is.EqualTo(13).Within(1));
    }

    [Test]
    public void Samples_are_normalized_by_themselves()
    {
        var wave = AudioPreprocessor.Of(Config("""{"sampling_rate": 16000, "return_attention_mask": true}"""), "wav2vec2");
        float[] values = wave.Of(Wave([0.5f, 0.25f, 0.75f, 0.5f], 16000), "a.wav").Values;
        Assert.That(values.Average(), Is.EqualTo(0).Within(1e-6));
        Assert.That(values.Average(x => x * x), Is.EqualTo(1).Within(1e-4));
        Assert.That(((WavePreprocessor)wave).ReturnsMask);
    }

    [TestCase("""{"feature_extractor_type": "SeamlessM4TFeatureExtractor"}""", "feature_extractor_type")]
    [TestCase("""{"padding_side": "left"}""", "padding_side")]
    [TestCase("""{"padding_value": 1.0}""", "padding_value")]
    [TestCase("""{"feature_size": 80}""", "feature_size")]
    [TestCase("""{"feature_extractor_type": "WhisperFeatureExtractor", "dither": 0.1}""", "dither")]
    [TestCase("""{"feature_extractor_type": "WhisperFeatureExtractor", "n_fft": 40000, "chunk_length": 1}""", "n_fft")]
    public void A_field_that_changes_the_result_and_is_not_supported_is_named(string json, string field) =>
        Assert.That(() => AudioPreprocessor.Of(Config(json), "wav2vec2"),
            Throws.TypeOf<BadInputException>().With.Message.Contains($"\"{field}\""));

    [Test]
    public void Too_long_a_recording_for_a_fixed_window_is_refused_by_name()
    {
        var whisper = AudioPreprocessor.Of(Config("""{"chunk_length": 1}"""), "whisper");
        Assert.That(() => whisper.Of(Wave(new float[20000], 16000), "long.wav"),
            Throws.TypeOf<BadInputException>().With.Message.StartsWith("long.wav: ").And.Message.Contains("1.2 s").Or.Message.Contains("1.3 s"));
    }

    [Test]
    public void Channels_are_averaged_and_a_recording_without_samples_is_refused()
    {
        Assert.That(Waveform.FromChannels("a.wav", [1, 0, 0.5f, 0.5f], 2, 8000).Samples, Is.EqualTo(new[] { 0.5f, 0.5f }));
        Assert.That(() => Waveform.FromChannels("a.wav", [], 2, 8000),
            Throws.TypeOf<BadInputException>().With.Message.EqualTo("a.wav: the recording has no samples; leave the file out or record it again."));
        Assert.That(() => Waveform.FromChannels("a.wav", [float.NaN], 1, 8000),
            Throws.TypeOf<BadInputException>().With.Message.Contains("sample 0 is not a finite number"));
        Assert.That(() => Waveform.FromChannels("a.wav", [0], 1, 3), Throws.TypeOf<BadInputException>().With.Message.Contains("3 Hz"));
    }

    private static ConfigReader Config(string json) => ConfigReader.Parse(json, "preprocessor_config.json");

    private static Waveform Wave(IEnumerable<float> samples, int rate) => Waveform.FromChannels("test", [.. samples], 1, rate);
}

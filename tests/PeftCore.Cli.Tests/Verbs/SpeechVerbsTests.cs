using PeftCore.Cli.Session;

namespace PeftCore.Cli.Tests.Verbs;

/// <summary>Training, measuring and running models of speech on WAV files.</summary>
public sealed class SpeechVerbsTests
{
    private const string Letters = """{"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "a": 5, "b": 6, "c": 7}""";
    private TemporaryDirectory _directory = null!;

    [SetUp]
    public void Create() => _directory = new TemporaryDirectory();

    [TearDown]
    public void Delete() => _directory.Dispose();

    [TestCase(1, 8)]
    [TestCase(1, 16)]
    [TestCase(1, 24)]
    [TestCase(1, 32)]
    [TestCase(3, 32)]
    [TestCase(3, 64)]
    public void Wav_files_of_every_format_are_read(int format, int bits)
    {
        double[] tone = [.. Enumerable.Range(0, 8000).Select(i => 0.5 * Math.Sin(0.1 * i))];
        string path = Wav("tone.wav", tone, channels: 2, format: format, bits: bits);
        var wave = WavFile.Read(path);
        float[,] spectrogram = wave.Spectrogram();
        Assert.That(wave.Seconds, Is.EqualTo(0.5).Within(1e-9));
        // 8000·0.1/2π = 127 Hz is mel 1.9 of 45.2, filter 2 or 3.
        Assert.That(Enumerable.Range(0, 80).MaxBy(bin => spectrogram[bin, 25]), Is.InRange(2, 4));
    }

    [Test]
    public void A_ctc_model_trains_is_measured_and_transcribes()
    {
        string model = Model(), data = Data(), output = Path.Combine(_directory.FullPath, "out");
        var train = ToolRun.Of("train", "--model", model, "--data", data, "--output-dir", output, "--max-steps", "3",
            "--batch-size", "2", "--json");
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        var eval = ToolRun.Of("eval", "--model", model, "--adapter", output, "--data", data, "--json");
        Assert.That(eval.ExitCode, Is.Zero, eval.Error);
        Assert.That(eval.Json.GetProperty("wer").GetDouble(), Is.Positive);
        Assert.That(eval.Json.GetProperty("targets").GetInt32(), Is.EqualTo(4));
        string drawing = Path.Combine(_directory.FullPath, "s.svg"), recording = Path.Combine(data, "a", "0.wav");
        var text = ToolRun.Of("generate", "--model", model, "--adapter", output, "--audio", recording, "--spectrogram", drawing,
            "--num-beams", "4", "--json");
        Assert.That(text.ExitCode, Is.Zero, text.Error);
        Assert.That(text.Json.TryGetProperty("text", out _));
        Assert.That(File.ReadAllText(drawing), Does.StartWith("<svg").And.EndWith("</svg>\n"));
    }

    [Test]
    public void The_first_bad_file_is_named_or_bad_files_are_counted_and_left_out()
    {
        string model = Model(), data = Data();
        File.WriteAllText(Path.Combine(data, "a", "1.wav"), "no sound");
        var refused = ToolRun.Of("eval", "--model", model, "--data", data);
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain("1.wav: not a WAV file"));
        var left = ToolRun.Of("eval", "--model", model, "--data", data, "--skip-bad");
        Assert.That(left.ExitCode, Is.Zero, left.Error);
        Assert.That(left.Error, Does.Contain("1 of 4 files were left out; the first:").And.Contain("1.wav"));
    }

    [Test]
    public void Bad_recordings_are_named_in_one_sentence()
    {
        string cut = Wav("cut.wav", new double[4000]), silent = Wav("none.wav", []);
        File.WriteAllBytes(cut, File.ReadAllBytes(cut)[..2000]);
        Assert.That(() => WavFile.Read(cut), Throws.TypeOf<BadInputException>().With.Message.Contains("cut.wav: the file is truncated"));
        Assert.That(() => WavFile.Read(silent), Throws.TypeOf<BadInputException>().With.Message.EqualTo(
            $"{silent}: the recording has no samples; leave the file out or record it again."));
        Assert.That(() => WavFile.Read(cut + "x"), Throws.TypeOf<BadInputException>().With.Message.Contains("there is no such file"));
    }

    [Test]
    public void A_transcript_that_does_not_fit_an_empty_class_and_loose_files_are_refused()
    {
        string model = Model(), data = Data();
        File.WriteAllText(Path.Combine(data, "metadata.csv"), $"file_name,text\na/0.wav,{new string('a', 300)}\n");
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data).Error,
            Does.Contain("0.wav: the transcript").And.Contain("frames"));
        File.Delete(Path.Combine(data, "metadata.csv"));
        Directory.CreateDirectory(Path.Combine(data, "c"));
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data).Error, Does.Contain("the directory of a class has no file"));
        Directory.Delete(Path.Combine(data, "c"));
        Wav(Path.Combine("data", "loose.wav"), new double[100]);
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data).Error, Does.Contain("have neither a class nor a text"));
    }

    [Test]
    public void What_a_ctc_model_does_not_have_is_refused_or_noted()
    {
        string model = Model(), data = Data();
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data, "--language", "en").Error,
            Does.Contain("has no tokens of languages, so \"en\" cannot be chosen"));
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data, "--max-seq-length", "10").Error,
            Does.Contain("--max-seq-length has no effect for ctc"));
        File.WriteAllText(Path.Combine(model, "vocab.json"), Letters.Replace("\"<pad>\": 0, \"<s>\": 1", "\"<s>\": 0, \"<pad>\": 1"));
        string[] verbs = ["eval --data " + data, "generate --audio " + Path.Combine(data, "a", "0.wav")];
        foreach (string verb in verbs)
        {
            Assert.That(ToolRun.Of([.. verb.Split(' '), "--model", model]).Error,
                Does.Contain("pad_token_id in config.json is 0").And.Contain("at 1; make both the same"));
        }
    }

    [Test]
    public void A_recording_whose_channels_are_silent_or_cancel_out_is_named()
    {
        string model = Model(), data = Data(), path = Path.Combine(data, "a", "1.wav");
        TestWav.Write(path, new double[2000], rate: 8000, channels: 2);
        var refused = ToolRun.Of("eval", "--model", model, "--data", data);
        Assert.That(refused.ExitCode, Is.EqualTo(2));
        Assert.That(refused.Error, Does.Contain($"{path}: the recording is silent"));
        Assert.That(ToolRun.Of("eval", "--model", model, "--data", data, "--skip-bad").Error, Does.Contain("1 of 4 files were left out"));
    }

    [Test]
    public void A_fast_draw_of_a_recording_must_have_frames_for_its_transcript()
    {
        string model = Model(), data = Data(), output = Path.Combine(_directory.FullPath, "out");
        // 8,000 Hz make 500 samples of 1,000: 24 frames, and half of them at twice the speed.
        File.WriteAllText(Path.Combine(data, "metadata.csv"), $"file_name,text\na/0.wav,{string.Concat(Enumerable.Repeat("ab", 9))}\n");
        string[] train = ["train", "--model", model, "--data", data, "--output-dir", output, "--max-steps", "1"];
        Assert.That(ToolRun.Of(train).ExitCode, Is.Zero);
        Assert.That(ToolRun.Of([.. train, "--speed-change", "1"]).Error, Does.Contain("0.wav: the transcript").And.Contain("takes 18 frames"));
    }

    [Test]
    public void Changes_of_recordings_are_refused_for_models_that_do_not_hear() => Assert.That(
        ToolRun.Of("train", "--model", Bundled.BaseLlama, "--data", Bundled.DemoData, "--output-dir",
            Path.Combine(_directory.FullPath, "out"), "--add-noise", "0.1").Error, Does.Contain("--add-noise is for recordings"));

    [Test]
    public void A_header_that_a_pipe_wrote_names_no_length()
    {
        string path = Wav("pipe.wav", [.. Enumerable.Range(0, 4000).Select(i => Math.Sin(0.1 * i))]);
        byte[] bytes = File.ReadAllBytes(path);
        bytes.AsSpan(40, 4).Fill(0xff);
        File.WriteAllBytes(path, bytes);
        Assert.That(WavFile.Read(path).Seconds, Is.EqualTo(0.5).Within(1e-9));
    }

    [Test]
    public void Recordings_are_refused_for_models_that_do_not_hear()
    {
        Assert.That(ToolRun.Of("generate", "--model", Bundled.BaseLlama, "--audio", "x.wav").Error, Does.Contain("hears no recordings"));
        Assert.That(ToolRun.Of("generate", "--model", Model(), "--prompt", "x").Error, Does.Contain("expected --audio FILE"));
    }

    private string Model()
    {
        string model = Path.Combine(_directory.FullPath, "model");
        Directory.CreateDirectory(model);
        foreach (string name in new[] { "config.json", "model.safetensors" })
        {
            File.Copy(Bundled.Fixture("hf", "xlsr_ctc", "base", name), Path.Combine(model, name), overwrite: true);
        }
        File.WriteAllText(Path.Combine(model, "vocab.json"), Letters);
        File.WriteAllText(Path.Combine(model, "preprocessor_config.json"), """{"sampling_rate": 8000, "return_attention_mask": true}""");
        return model;
    }

    private string Data()
    {
        string data = Path.Combine(_directory.FullPath, "data");
        foreach (string label in new[] { "a", "b" })
        {
            Directory.CreateDirectory(Path.Combine(data, label));
            for (int i = 0; i < 2; i++)
            {
                double pitch = label == "a" ? 0.2 : 0.6;
                double[] tone = [.. Enumerable.Range(0, 1000 + 300 * i).Select(t => Math.Sin(pitch * t))];
                Wav(Path.Combine("data", label, $"{i}.wav"), tone, rate: 16000);
            }
        }
        return data;
    }

    // As many samples for each channel, half of them silent, so that the mean of two channels is half as loud.
    private string Wav(string name, double[] samples, int channels = 1, int rate = 8000, int format = 1, int bits = 16) => TestWav.Write(
        Path.Combine(_directory.FullPath, name), [.. samples.Take(samples.Length / channels)], rate, channels, format, bits);
}

using System.Buffers.Binary;
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

    private string Wav(string name, double[] samples, int channels = 1, int rate = 8000, int format = 1, int bits = 16)
    {
        // As many samples for each channel, half of them silent, so that the mean of two channels is half as loud.
        byte[] sound = [.. samples.Take(samples.Length / channels).SelectMany(sample => Enumerable.Range(0, channels)
            .SelectMany(channel => Bytes(channel == 0 ? sample : 0, format, bits)))];
        byte[] header = new byte[44];
        "RIFF"u8.CopyTo(header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), 36 + sound.Length);
        "WAVEfmt "u8.CopyTo(header.AsSpan(8));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(16), 16);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(20), (short)format);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(22), (short)channels);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), rate);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(28), rate * channels * bits / 8);
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(32), (short)(channels * bits / 8));
        BinaryPrimitives.WriteInt16LittleEndian(header.AsSpan(34), (short)bits);
        "data"u8.CopyTo(header.AsSpan(36));
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(40), sound.Length);
        string path = Path.Combine(_directory.FullPath, name);
        File.WriteAllBytes(path, [.. header, .. sound]);
        return path;
    }

    private static byte[] Bytes(double sample, int format, int bits)
    {
        byte[] bytes = (format, bits) switch
        {
            (3, 32) => BitConverter.GetBytes((float)sample),
            (3, _) => BitConverter.GetBytes(sample),
            (_, 8) => [(byte)(128 + 127 * sample)],
            _ => BitConverter.GetBytes((int)(sample * int.MaxValue))[(4 - bits / 8)..],
        };
        return bytes;
    }
}

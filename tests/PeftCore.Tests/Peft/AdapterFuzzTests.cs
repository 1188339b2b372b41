using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PeftCore.Io;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>Adapters damaged at random, by the thousand: they load or are refused with a sentence, and nothing of them stays behind.</summary>
[TestFixture("lora_dora")]
[TestFixture("lora_embedding")]
public sealed class AdapterFuzzTests(string adapter)
{
    private static readonly string[] Values =
    [
        "null", "true", "false", "-1", "0", "1", "2", "4", "33", "0.5", "1e9", "1e308", "-1e308", "2147483648", "\"\"", "\"x\"", "\"all-linear\"", "\".*\"", "\"(\"", "\".*_proj\"",
        "\"pissa\"", "\"olora\"", "\"orthogonal\"", "\"pissa_new\"", "{\"x\": 1}", "[\"embed_tokens\", \"lm_head\"]", "{\"embed_tokens\": [1], \"lm_head\": [1]}", "\"all\"", "[]", "[\"\"]", "[\"q_proj\"]", "[\"lm_head\", \"norm\"]", "[\"mlp\"]", "[\"embed_tokens\"]", "[5, 9]", "[0]", "[[1]]", "[null]", "{}",
        "{\"q_proj\": 2}", "{\"q_proj\": \"x\"}", "{\"(\": 2}", "{\"embed_tokens\": [1]}", "{\"embed_tokens\": [-1]}", "{\"\": [1, 1]}", "\"layers\"", "{\"a\": {\"b\": []}}",
    ];

    private static readonly string[] Names = ["LORA", "IA3", "lora", "F32", "F16", "BF16", "I64", "F64", "U8", "BOOL", "0", "1", "32", "99999999999", "-1", "\"", "{", "}", ",", "[", "]"];

    private static readonly string[] Parts = ["default", "weight", "module", "_orig_mod", "base_layer", "original_module", "modules_to_save", "lora_A", "token_adapter", ""];

    private static readonly string[] Tables =
    [
        "", "base_model.model.model.embed_tokens.weight", "base_model.model.model.embed_tokens.base_layer.weight", "base_model.model.lm_head.weight",
        "base_model.model.lm_head.original_module.weight", "base_model.model.lm_head.modules_to_save.default.weight",
    ];

    private Bench _bench = null!;
    private AdapterFolder _folder = null!;
    private int _accepted;

    [SetUp]
    public void Load()
    {
        _bench = new Bench(Family.Llama);
        _folder = new AdapterFolder("llama", adapter);
        _accepted = 0;
    }

    [TearDown]
    public void Free()
    {
        _folder.Dispose();
        _bench.Dispose();
    }

    [Test]
    public void No_changed_field_does_more_than_be_refused()
    {
        string original = File.ReadAllText(_folder.ConfigPath);
        string[] fields = [.. System.Text.Json.Nodes.JsonNode.Parse(original)!.AsObject().Select(field => field.Key)];
        Gen<(string, string)[]> changes = (from field in Gen.Elements(fields) from value in Gen.Elements(Values) select (field, value)).ArrayOf(2);
        Run(changes, 1500, edits =>
        {
            File.WriteAllText(_folder.ConfigPath, original);
            foreach (var (field, value) in edits)
            {
                _folder.With(field, value);
            }
        });
    }

    [Test]
    public void No_damaged_configuration_does_more_than_be_refused()
    {
        byte[] original = File.ReadAllBytes(_folder.ConfigPath);
        Run(Damage(original.Length), 1000, damage => File.WriteAllBytes(_folder.ConfigPath, damage(original)));
    }

    [Test]
    public void No_damaged_header_does_more_than_be_refused()
    {
        var (header, data) = AdapterFolder.Split(File.ReadAllBytes(_folder.WeightsPath));
        byte[] original = Encoding.UTF8.GetBytes(header);
        Run(Damage(original.Length), 1000, damage =>
        {
            byte[] damaged = damage(original);
            File.WriteAllBytes(_folder.WeightsPath, [.. BitConverter.GetBytes((ulong)damaged.Length), .. damaged, .. data]);
        });
    }

    [Test]
    public void No_renamed_key_and_no_added_table_does_more_than_be_refused()
    {
        byte[] original = File.ReadAllBytes(_folder.WeightsPath);
        var edits = from at in Gen.Choose(0, 60)
                    from part in Gen.Elements(Parts)
                    from everywhere in Gen.Elements(true, false)
                    from rows in Gen.Choose(95, 99)
                    from table in Gen.Elements(Tables)
                    from dtype in Gen.Elements("F32", "F64", "BF16", "I32")
                    select (at, part, everywhere, rows, table, dtype);
        Run(edits, 1000, edit =>
        {
            File.WriteAllBytes(_folder.WeightsPath, original);
            int number = 0;
            SafetensorsTensor[] more = edit.table.Length == 0 ? []
                : [new(edit.table, edit.dtype, [edit.rows, 32], new byte[edit.rows * 32 * (edit.dtype switch { "F64" => 8, "BF16" => 2, _ => 4 })])];
            _folder.WithWeights((entry, bytes) => entry.Name == edit.table ? null
                : new SafetensorsTensor(edit.everywhere || number++ == edit.at % 8 ? Inserted(entry.Name, edit.at, edit.part) : entry.Name, entry.DType, entry.Shape, bytes), more);
        });
    }

    /// <summary>A key with a segment put in, counted from its end.</summary>
    private static string Inserted(string key, int at, string part)
    {
        List<string> parts = [.. key.Split('.')];
        parts.Insert(parts.Count - Math.Min(at % 12, parts.Count), part);
        return string.Join('.', parts);
    }

    [Test]
    public void No_damaged_weight_file_does_more_than_be_refused()
    {
        byte[] original = File.ReadAllBytes(_folder.WeightsPath);
        Run(Damage(original.Length), 1000, damage => File.WriteAllBytes(_folder.WeightsPath, damage(original)));
    }

    /// <summary>Flipped bits, text put in or written over, and a cut.</summary>
    private static Gen<Func<byte[], byte[]>> Damage(int length) =>
        from flips in Gen.Choose(0, 8 * length - 1).ArrayOf(2)
        from at in Gen.Choose(0, length - 1)
        from name in Gen.Elements(Names)
        from kind in Gen.Choose(0, 4)
        select (Func<byte[], byte[]>)(bytes =>
        {
            byte[] text = Encoding.UTF8.GetBytes(name);
            byte[] damaged = kind switch
            {
                0 => [.. bytes[..at], .. text, .. bytes[at..]],
                1 => [.. bytes[..at], .. text, .. bytes[Math.Min(at + text.Length, length)..]],
                2 => bytes[..at],
                _ => [.. bytes],
            };
            foreach (int flip in kind > 2 ? flips : [])
            {
                damaged[flip / 8] ^= (byte)(1 << (flip % 8));
            }
            return damaged;
        });

    private void Run<T>(Gen<T> damage, int count, Action<T> apply)
    {
        float[] before = _bench.Logits();
        int tried = 0;
        Prop.ForAll(damage.ToArbitrary(), change =>
        {
            apply(change);
            tried++;
            return Try() && _bench.Backend.Memory.CurrentBytes == _bench.StartingBytes && _bench.Model.AdapterNames.Count == 0;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(count).WithReplay(3, 5));
        Assert.That(_bench.Logits(), Is.EqualTo(before));
        Assert.That(tried, Is.EqualTo(count));
        Assert.That(_accepted, Is.InRange(1, count - count / 4));
    }

    private bool Try()
    {
        try
        {
            _bench.Model.Load(_folder.Path);
        }
        catch (BadInputException e)
        {
            return e.Message.StartsWith(_folder.Path, StringComparison.Ordinal);
        }
        _accepted++;
        _bench.Model.Delete(PeftModel.DefaultAdapter);
        return true;
    }
}

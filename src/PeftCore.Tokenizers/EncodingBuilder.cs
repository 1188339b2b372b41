namespace PeftCore.Tokenizers;

/// <summary>Collects the tokens of one sequence.</summary>
internal sealed class EncodingBuilder
{
    private int[] _ids;
    private string[] _tokens;
    private TextRange[] _offsets;
    private int _count;

    public EncodingBuilder(int capacity)
    {
        _ids = new int[capacity];
        _tokens = new string[capacity];
        _offsets = new TextRange[capacity];
    }

    public void Add(int id, string token, TextRange offset)
    {
        if (_count == _ids.Length)
        {
            int capacity = Math.Max(16, _count * 2);
            Array.Resize(ref _ids, capacity);
            Array.Resize(ref _tokens, capacity);
            Array.Resize(ref _offsets, capacity);
        }

        _ids[_count] = id;
        _tokens[_count] = token;
        _offsets[_count++] = offset;
    }

    public Encoding Build(int typeId)
    {
        Array.Resize(ref _ids, _count);
        Array.Resize(ref _tokens, _count);
        Array.Resize(ref _offsets, _count);
        int[] types = new int[_count];
        Array.Fill(types, typeId);
        return new Encoding(_ids, _tokens, _offsets, types, new bool[_count]);
    }
}

namespace PeftCore.Models.Generation;

/// <summary>The k largest of many scores, the largest first; of equal ones the first offered.</summary>
internal sealed class TopScores(int k)
{
    private readonly (float Score, int Index)[] _all = new (float, int)[k];
    private int _count;

    /// <summary>The scores kept, with the index that each was offered with.</summary>
    public IEnumerable<(float Score, int Index)> All => _all.Take(_count);

    /// <summary>Takes a score if it is among the largest so far. Nearly all fail the first comparison.</summary>
    public void Offer(float score, int index)
    {
        if (_count == _all.Length && !(score > _all[^1].Score))
        {
            return;
        }
        int at = _count < _all.Length ? _count++ : _count - 1;
        for (; at > 0 && score > _all[at - 1].Score; at--)
        {
            _all[at] = _all[at - 1];
        }
        _all[at] = (score, index);
    }
}
